#include "engine/base/error.h"

#include <new>
#include <string_view>

namespace flextron {

Error currentExceptionAsError()
{
    try {
        throw;
    } catch (const Failure& failure) {
        return failure.error();
    } catch (const std::bad_alloc&) {
        return {ErrorCode::OutOfMemory, "the system has no more memory to give",
                "close other programs, or choose a smaller model or --dtype bfloat16"};
    } catch (const std::exception& exception) {
        // LibTorch's what() carries a C++ back-trace behind the first line: of no use to a person.
        const std::string_view what = exception.what();
        const auto first_line = std::string(what.substr(0, what.find('\n')));
        if (first_line.find("alloc") != std::string::npos && first_line.find("memory") != std::string::npos)
            return {ErrorCode::OutOfMemory, first_line, "close other programs, or choose a smaller model"};
        return {ErrorCode::Internal, first_line, "this is a bug in Flextron Explorer: please report it"};
    } catch (...) {
        return {ErrorCode::Internal, "an unknown exception", "this is a bug in Flextron Explorer: please report it"};
    }
}

} // namespace flextron
