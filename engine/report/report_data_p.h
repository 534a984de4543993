// The numbers behind a report's page, as JSON. Not a public header.
#pragma once

#include <nlohmann/json.hpp>

#include "engine/report/report.h"

namespace flextron {

/// What is kept, from all to least.
struct ReportDetail {
    bool margins = true;     ///< of the routers, by token and layer
    bool layer_times = true; ///< by token and layer
    int alternatives = 8;    ///< a token
};

/// Keys stay in their order, so that the same report gives the same bytes. The form is described in
/// docs/file-formats.md.
nlohmann::ordered_json reportData(const Report& report, const ReportDetail& detail);

} // namespace flextron
