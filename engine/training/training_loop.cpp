#include "engine/training/training_loop_p.h"

#include <ATen/autocast_mode.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <optional>
#include <sstream>

#include "engine/base/files_p.h"
#include "engine/compute/device.h"
#include "engine/training/fast_products_p.h"
#include "engine/training/validation_p.h"

namespace flextron {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start)
{
    return std::chrono::duration<double>(Clock::now() - start).count();
}

Json toJson(const ValidationLoss& loss)
{
    return {{"file", loss.file}, {"widths", loss.widths}, {"target", loss.target},
            {"cost", loss.cost}, {"loss", loss.loss},     {"standard_error", loss.standard_error}};
}

/// While it lives, LibTorch computes products on the GPU in bfloat16 and what needs more in float32.
class Autocast final {
public:
    explicit Autocast(bool wanted) : wanted_(wanted)
    {
        if (!wanted_) return;
        at::autocast::set_autocast_dtype(at::kCUDA, at::kBFloat16);
        at::autocast::set_autocast_enabled(at::kCUDA, true);
    }
    ~Autocast()
    {
        if (!wanted_) return;
        at::autocast::set_autocast_enabled(at::kCUDA, false);
        at::autocast::clear_cache(); // of weights as they were before the optimizer's step
    }
    Autocast(const Autocast&) = delete;
    Autocast& operator=(const Autocast&) = delete;

private:
    bool wanted_;
};

[[noreturn]] void notANumber(const std::string& what, std::int64_t step)
{
    throw Failure(ErrorCode::InvalidArgument,
                  what + " is not a finite number in step " + std::to_string(step + 1) + ": training has diverged",
                  "the last saved state is intact; start anew with a lower learning rate");
}

} // namespace

TrainingLoop::TrainingLoop(TrainOptions options, int context, fs::path job_folder,
                           std::shared_ptr<const Tokenizer> tokenizer, ProgressFn progress, CancelToken cancel)
    : options_(std::move(options))
    , place_(placeOf(options_.device))
    , job_folder_(std::move(job_folder))
    , tokenizer_(std::move(tokenizer))
    , progress_(std::move(progress))
    , cancel_(std::move(cancel))
{
    if (options_.data.sequence_length == 0) options_.data.sequence_length = context;
    if (options_.data.sequence_length > context)
        throw Failure(ErrorCode::InvalidArgument,
                      "a sequence length of " + std::to_string(options_.data.sequence_length) +
                          " is more than the model's context of " + std::to_string(context),
                      "give at most the context's length");
    checkOptions();
    setThreads(options_.threads);
    tokens_a_step_ = std::int64_t{options_.batch} * options_.accumulation * options_.data.sequence_length;
    steps_ = (options_.tokens + tokens_a_step_ - 1) / tokens_a_step_;
}

void TrainingLoop::checkOptions() const
{
    const auto require = [](bool good, const char* what) {
        if (!good) throw Failure(ErrorCode::InvalidArgument, what, "see the defaults in the help");
    };
    require(options_.tokens > 0, "the number of training tokens must be above 0");
    require(options_.batch > 0 && options_.accumulation > 0, "batch and accumulation must be above 0");
    require(std::isfinite(options_.learning_rate) && options_.learning_rate > 0, "the learning rate must be above 0");
    require(options_.final_rate_share >= 0 && options_.final_rate_share <= 1,
            "the final rate's share must be from 0 to 1");
    require(options_.warm_up_share >= 0 && options_.warm_up_share <= 1, "the warm-up's share must be from 0 to 1");
    require(options_.weight_decay >= 0 && options_.clip > 0, "weight decay must be at least 0, and clip above 0");
    require(options_.beta1 >= 0 && options_.beta1 < 1 && options_.beta2 >= 0 && options_.beta2 < 1,
            "beta1 and beta2 must be at least 0 and below 1");
    require(options_.validation_sequences > 0, "the number of validation sequences must be above 0");
}

Json TrainingLoop::settings(const StageWork& stage) const
{
    Json files = Json::array();
    for (const TextFile& file : options_.data.files) files.push_back({file.path.filename().string(), file.share});
    return {{"stage", stage.name()},
            {"data", files},
            {"text_field", options_.data.text_field},
            {"sequence_length", options_.data.sequence_length},
            {"shuffle_window", options_.data.shuffle_window},
            {"held_out_share", options_.data.held_out_share},
            {"tokens", options_.tokens},
            {"batch", options_.batch},
            {"accumulation", options_.accumulation},
            {"learning_rate", options_.learning_rate},
            {"final_rate_share", options_.final_rate_share},
            {"warm_up_share", options_.warm_up_share},
            {"weight_decay", options_.weight_decay},
            {"beta1", options_.beta1},
            {"beta2", options_.beta2},
            {"epsilon", options_.epsilon},
            {"clip", options_.clip},
            {"seed", options_.seed},
            {"of_the_stage", stage.settings()}};
}

void TrainingLoop::openData(const std::string& stage)
{
    TextDataOptions data = options_.data;
    data.part = data.held_out_share > 0 ? DataPart::Training : DataPart::All;
    data.seed = options_.seed; // each stage reads in an order of its own
    for (const char letter : stage) data.seed = mixBits(data.seed ^ static_cast<unsigned char>(letter));
    data.repeat = true;
    data_ = TextData::open(data, tokenizer_).orThrow();
}

void TrainingLoop::start(StageWork& stage, AdamW& optimizer)
{
    fs::create_directories(job_folder_);
    lock_ = FolderLock(job_folder_);
    std::error_code ignored;
    if (!fs::exists(stateFile(), ignored)) {
        dropLaterMetrics(); // of a run that was killed before its first saved state
        return;
    }
    if (!options_.resume)
        throw Failure(ErrorCode::InvalidArgument, job_folder_.string() + " holds an interrupted run",
                      "go on with --resume, or remove the folder");
    TrainingState state = readState(stateFile());
    checkSameSettings(state.settings, settings(stage), stateFile());
    restoreTensors(optimizer.state(), state.tensors);
    restoreTensors(stage.kept(), state.tensors);
    data_->restore(state.data).orThrow();
    step_ = state.step;
    seconds_before_ = state.seconds;
    flops_ = state.flops;
    dropLaterMetrics();
}

at::Tensor TrainingLoop::nextBatch()
{
    std::vector<std::vector<TokenId>> rows;
    for (int i = 0; i < options_.batch; ++i) rows.push_back(data_->next().orThrow());
    return idsTensor(rows).to(place_);
}

std::map<std::string, double> TrainingLoop::pass(StageWork& stage, const StepPlace& place)
{
    const at::Tensor ids = nextBatch();
    const Autocast autocast(options_.device.cuda && options_.bfloat16);
    return stage.batch(ids, place);
}

Json TrainingLoop::step(StageWork& stage, AdamW& optimizer)
{
    StepPlace place{step_, steps_, options_.seed, 1.0 / options_.accumulation};
    optimizer.forgetGradients();
    stage.beginStep(place);
    std::map<std::string, double> means;
    for (int i = 0; i < options_.accumulation; ++i) {
        for (const auto& [name, value] : pass(stage, place)) {
            if (!std::isfinite(value)) notANumber("the " + name, step_);
            means[name] += value * place.scale;
        }
        flops_ += stage.lastFlops();
    }
    const double norm = optimizer.clipGradients();
    if (!std::isfinite(norm)) notANumber("the gradient", step_);
    const double rate = learningRate(options_, step_, steps_);
    optimizer.step(rate);
    Json line = {{"stage", stage.name()},
                 {"step", step_ + 1},
                 {"tokens", (step_ + 1) * tokens_a_step_},
                 {"learning_rate", rate},
                 {"gradient_norm", norm}};
    line.update(Json(means));
    return line;
}

StageReport TrainingLoop::run(StageWork& stage)
{
    std::optional<FastProducts> products; // what is exact enough was tried on the CPU only
    if (!options_.device.cuda) products.emplace();
    stage_name_ = stage.name();
    openData(stage_name_);
    AdamW optimizer(stage.trained(), options_);
    if (options_.probe_steps > 0) return probe(stage, optimizer);
    validation_ = validationSets(options_, tokenizer_);
    for (ValidationSet& set : validation_) set.ids = set.ids.to(place_);
    start(stage, optimizer);
    const auto started = Clock::now();
    auto saved = started;
    StageReport report;
    const auto tell = [&] {
        if (progress_)
            progress_({stage_name_, static_cast<std::uint64_t>(step_ * tokens_a_step_),
                       static_cast<std::uint64_t>(steps_ * tokens_a_step_), "tokens"});
    };
    tell();
    while (step_ < steps_) {
        if (cancel_.cancelled()) {
            seconds_before_ += secondsSince(started);
            save(stage, optimizer);
            cancel_.throwIfCancelled();
        }
        Json line = step(stage, optimizer);
        ++step_;
        line["seconds"] = seconds_before_ + secondsSince(started);
        if (step_ == steps_ || (options_.validation_every > 0 && step_ % options_.validation_every == 0)) {
            validate(stage, optimizer, line, report);
        }
        appendMetrics(line);
        tell();
        const bool due = options_.checkpoint_every > 0 && step_ % options_.checkpoint_every == 0;
        if (step_ < steps_ && (due || secondsSince(saved) > options_.checkpoint_minutes * 60)) {
            const double before = seconds_before_;
            seconds_before_ += secondsSince(started);
            save(stage, optimizer);
            seconds_before_ = before;
            saved = Clock::now();
        }
    }
    if (report.validation.empty()) report.validation = stage.validate(validation_, cancel_);
    report.stage = stage_name_;
    report.steps = steps_;
    report.tokens = steps_ * tokens_a_step_;
    report.seconds = seconds_before_ + secondsSince(started);
    report.training_flops = flops_;
    return report;
}

StageReport TrainingLoop::probe(StageWork& stage, AdamW& optimizer)
{
    step(stage, optimizer); // the first one finds cold caches
    const auto started = Clock::now();
    for (int i = 0; i < options_.probe_steps; ++i) {
        cancel_.throwIfCancelled();
        if (progress_)
            progress_({"timing " + stage_name_, static_cast<std::uint64_t>(i),
                       static_cast<std::uint64_t>(options_.probe_steps), "steps"});
        step(stage, optimizer);
    }
    StageReport report;
    report.stage = stage_name_;
    report.steps = steps_;
    report.tokens = steps_ * tokens_a_step_;
    report.seconds = secondsSince(started) / options_.probe_steps * static_cast<double>(steps_);
    return report;
}

void TrainingLoop::save(StageWork& stage, const AdamW& optimizer)
{
    NamedTensors tensors = optimizer.state();
    const NamedTensors kept = stage.kept();
    tensors.insert(tensors.end(), kept.begin(), kept.end());
    writeState(stateFile(), {settings(stage), step_, seconds_before_, flops_, data_->position(), {}},
               std::move(tensors));
}

void TrainingLoop::validate(StageWork& stage, const AdamW& optimizer, Json& line, StageReport& report)
{
    try {
        report.validation = stage.validate(validation_, cancel_);
    } catch (const Failure& failure) {
        if (failure.error().code == ErrorCode::Cancelled) {
            appendMetrics(line);
            save(stage, optimizer);
        }
        throw;
    }
    for (const ValidationLoss& loss : report.validation) line["validation"].push_back(toJson(loss));
}

void TrainingLoop::appendMetrics(const Json& line)
{
    const int file = ::open(metricsFile().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0) throw fileFailure("write", metricsFile(), errno);
    const std::string text = line.dump() + "\n";
    try {
        writeFully(file, std::as_bytes(std::span(text.data(), text.size())), metricsFile());
    } catch (...) {
        ::close(file);
        throw;
    }
    ::close(file);
}

/// Lines of this stage behind the state that the run goes on from are written anew; a torn last line goes too.
void TrainingLoop::dropLaterMetrics()
{
    std::error_code ignored;
    if (!fs::exists(metricsFile(), ignored)) return;
    std::istringstream lines(readFile(metricsFile()).orThrow());
    std::string kept;
    for (std::string line; std::getline(lines, line);) {
        const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
        if (!json.is_object()) continue;
        const bool ours = json.value("stage", "") == stage_name_;
        if (!ours || json.value("step", std::int64_t{0}) <= step_) kept += line + "\n";
    }
    writeFile(metricsFile(), kept).orThrow();
}

fs::path jobFolderFor(const TrainOptions& options, const fs::path& out)
{
    if (!options.job_folder.empty()) return options.job_folder;
    fs::path clean = fs::absolute(out).lexically_normal();
    if (!clean.has_filename()) clean = clean.parent_path();
    clean += ".job";
    return clean;
}

std::string metricsSoFar(const fs::path& job_folder, const fs::path& source)
{
    std::string text;
    std::error_code ignored;
    for (const fs::path& folder : {source, job_folder})
        if (!folder.empty() && fs::exists(folder / "metrics.jsonl", ignored))
            text += readFile(folder / "metrics.jsonl").orThrow();
    return text;
}

void finishJob(const fs::path& job_folder)
{
    std::error_code ignored;
    fs::remove(job_folder / "metrics.jsonl", ignored);
    fs::remove(job_folder / "state.safetensors", ignored);
    fs::remove(job_folder, ignored); // only when nothing of others is in it
}

} // namespace flextron
