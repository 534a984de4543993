#include "ui/jobs/jobtext.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <QCoreApplication>
#include <QLocale>

namespace flextron::ui {

namespace {

struct Text {
    Q_DECLARE_TR_FUNCTIONS(Job)
};

constexpr std::array<std::pair<const char*, const char*>, 6> kStages{{
    {"importance", QT_TRANSLATE_NOOP("Job", "finding out what matters")},
    {"permute", QT_TRANSLATE_NOOP("Job", "sorting")},
    {"elastic", QT_TRANSLATE_NOOP("Job", "training narrow widths")},
    {"routers", QT_TRANSLATE_NOOP("Job", "training routers")},
    {"joint", QT_TRANSLATE_NOOP("Job", "training both together")},
    {"surrogate", QT_TRANSLATE_NOOP("Job", "fitting the surrogate")},
}};

/// The stage of the conversion that the program's progress belongs to.
QString planned(const QString& stage)
{
    const bool importance = stage == QLatin1String("reading the calibration text") ||
                            stage == QLatin1String("measuring importance");
    return importance ? QStringLiteral("importance") : stage;
}

std::optional<std::size_t> placeIn(const std::vector<PlannedStage>& plan, const QString& progress)
{
    const QString stage = planned(progress);
    const auto found = std::find_if(plan.begin(), plan.end(),
                                    [&](const PlannedStage& other) { return other.name == stage; });
    return found == plan.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - plan.begin()));
}

double stageShare(const JobProgress& progress)
{
    return progress.total > 0 ? std::clamp(progress.done / progress.total, 0.0, 1.0) : 0.0;
}

double secondsOf(const std::vector<PlannedStage>& plan, std::size_t from)
{
    double sum = 0;
    for (std::size_t i = from; i < plan.size(); ++i) sum += plan[i].seconds;
    return sum;
}

} // namespace

QString durationText(double seconds)
{
    const auto whole = static_cast<qint64>(std::ceil(std::max(seconds, 0.0)));
    constexpr qint64 kMinute = 60, kHour = 3600, kDay = 86'400;
    const auto number = [](qint64 value) { return QLocale().toString(value); };
    if (whole < kMinute) return Text::tr("%1 s").arg(number(whole));
    if (whole < 10 * kMinute) return Text::tr("%1 min %2 s").arg(number(whole / kMinute), number(whole % kMinute));
    if (whole < kHour) return Text::tr("%1 min").arg(number(whole / kMinute));
    if (whole < kDay) return Text::tr("%1 h %2 min").arg(number(whole / kHour), number(whole / kMinute % 60));
    return Text::tr("%1 days %2 h").arg(number(whole / kDay), number(whole / kHour % 24));
}

QString stageName(const QString& stage)
{
    for (const auto& [name, words] : kStages)
        if (planned(stage) == QLatin1String(name)) return Text::tr(words);
    return stage;
}

std::optional<double> shareDone(const JobRecord& job, const JobProgress& progress)
{
    const auto at = placeIn(job.plan, progress.stage);
    const double all = secondsOf(job.plan, 0);
    if (!at || all <= 0) return std::nullopt;
    return std::clamp((all - secondsOf(job.plan, *at) + job.plan[*at].seconds * stageShare(progress)) / all, 0.0, 1.0);
}

std::optional<double> secondsLeft(const JobRecord& job, const JobProgress& progress)
{
    const auto at = placeIn(job.plan, progress.stage);
    if (!at) return progress.seconds_left;
    const double planned = job.plan[*at].seconds * (1 - stageShare(progress));
    return progress.seconds_left.value_or(planned) + secondsOf(job.plan, *at + 1);
}

QString jobLine(const JobRecord& job, JobState state, const JobProgress& progress, bool stopping)
{
    switch (state) {
    case JobState::None: return {};
    case JobState::Finished: return Text::tr("%1: finished").arg(job.title);
    case JobState::Stopped: return Text::tr("%1: stopped; what was done is kept").arg(job.title);
    case JobState::Failed: return Text::tr("%1: failed").arg(job.title);
    case JobState::Died: return Text::tr("%1: interrupted").arg(job.title);
    case JobState::Running:
    case JobState::Paused: break;
    }
    if (stopping) return Text::tr("%1: stopping, and saving what was done").arg(job.title);
    QStringList parts;
    if (state == JobState::Paused) parts << Text::tr("paused");
    if (!progress.stage.isEmpty()) parts << stageName(progress.stage);
    else parts << Text::tr("starting");
    // Beside the time left of the whole job stands its share; only where no plan tells that, the stage's.
    auto share = shareDone(job, progress);
    if (!share && progress.total > 0) share = stageShare(progress);
    if (share) parts << Text::tr("%1 %").arg(QLocale().toString(100 * *share, 'f', 0));
    const auto left = secondsLeft(job, progress);
    if (state == JobState::Running && left) parts << Text::tr("about %1 left").arg(durationText(*left));
    return Text::tr("%1: %2").arg(job.title, parts.join(QStringLiteral(", ")));
}

} // namespace flextron::ui
