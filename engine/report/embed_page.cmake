# OUTPUT, STYLE, BODY, SCRIPTS: writes the page's parts as C++ constants, each file a raw literal of its own.
set(script "")
foreach(file IN LISTS SCRIPTS)
  file(READ ${file} text)
  string(APPEND script "R\"page(${text})page\"\n")
endforeach()
file(READ ${STYLE} style)
file(READ ${BODY} body)
file(WRITE ${OUTPUT} "#include \"engine/report/page_parts_p.h\"

namespace flextron::page {

const std::string_view kStyle = R\"page(${style})page\";
const std::string_view kBody = R\"page(${body})page\";
const std::string_view kScript = ${script};

} // namespace flextron::page
")
