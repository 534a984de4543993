// What is said of a job, for people.
#pragma once

#include <optional>

#include <QString>

#include "ui/jobs/jobfile.h"

namespace flextron::ui {

/// "45 s", "3 min 20 s", "2 h 10 min", "3 days 4 h"
QString durationText(double seconds);
/// A stage of a conversion as a person calls it: "finding what matters", "training narrow widths".
QString stageName(const QString& stage);

/// Share of the whole job that is done, 0 to 1, by the plan's seconds; nothing without a plan or a known stage.
std::optional<double> shareDone(const JobRecord& job, const JobProgress& progress);
/// Of the whole job where there is a plan, else of the stage.
std::optional<double> secondsLeft(const JobRecord& job, const JobProgress& progress);

/// One line: "Converting stories: training routers, 40 %, about 3 min left".
QString jobLine(const JobRecord& job, JobState state, const JobProgress& progress, bool stopping);

} // namespace flextron::ui
