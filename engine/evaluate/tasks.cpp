#include "engine/evaluate/tasks.h"

#include <array>

#include "engine/evaluate/task_formats_p.h"

namespace flextron {

namespace {

namespace fs = std::filesystem;

constexpr std::array<std::pair<TaskName, std::string_view>, 6> kNames{{{TaskName::ArcEasy, "arc_easy"},
                                                                       {TaskName::Lambada, "lambada"},
                                                                       {TaskName::Piqa, "piqa"},
                                                                       {TaskName::Winogrande, "winogrande"},
                                                                       {TaskName::Hellaswag, "hellaswag"},
                                                                       {TaskName::Mmlu, "mmlu"}}};

fs::path examplesFor(TaskName name, const TaskFiles& files, const fs::path& data)
{
    if (!files.examples.empty()) return files.examples;
    if (name != TaskName::Mmlu)
        throw Failure(ErrorCode::InvalidArgument, "examples in front of a question need a file of them",
                      "name the task's training file with --examples, or ask for --shots 0");
    std::string subject = data.stem().string();
    if (const auto end = subject.rfind('_'); end != std::string::npos) subject.resize(end);
    return data.parent_path().parent_path() / "dev" / (subject + "_dev.csv");
}

/// What stands in front of every question of a file.
std::string introduction(TaskName name, const TaskFiles& files, const fs::path& data)
{
    std::string text;
    if (name == TaskName::Mmlu)
        text = "The following are multiple choice questions (with answers) about " + mmluSubject(data) + ".\n\n";
    if (files.shots == 0) return text;
    const fs::path file = examplesFor(name, files, data);
    const auto examples = readQuestions(name, file, {}, files.shots);
    if (static_cast<int>(examples.size()) < files.shots)
        throw Failure(ErrorCode::InvalidArgument,
                      file.string() + ": " + std::to_string(examples.size()) + " examples; asked for were " +
                          std::to_string(files.shots),
                      "ask for fewer with --shots");
    for (const Question& example : examples) text += example.answered() + "\n\n";
    return text;
}

} // namespace

std::string_view taskName(TaskName task)
{
    for (const auto& [name, text] : kNames)
        if (name == task) return text;
    return "";
}

Result<TaskName> parseTaskName(std::string_view text)
{
    for (const auto& [name, known] : kNames)
        if (known == text) return name;
    return Error{ErrorCode::InvalidArgument, "there is no task \"" + std::string(text) + "\"",
                 "the tasks are arc_easy, lambada, piqa, winogrande, hellaswag and mmlu"};
}

bool Task::normalised() const
{
    return name == TaskName::ArcEasy || name == TaskName::Piqa || name == TaskName::Hellaswag;
}

Result<Task> readTask(TaskName name, const TaskFiles& files)
{
    return guarded([&] {
        Task task;
        task.name = name;
        task.shots = files.shots;
        for (const fs::path& file : files.data) {
            const std::string front = introduction(name, files, file);
            const auto questions = readQuestions(name, file, files.labels, files.limit);
            if (questions.empty())
                throw Failure(ErrorCode::Corrupt, file.string() + ": there is no question in it",
                              "give the task's official file");
            for (const Question& question : questions) {
                task.items.push_back(question.item);
                for (std::string& context : task.items.back().contexts) context = front + context;
            }
        }
        return task;
    });
}

} // namespace flextron
