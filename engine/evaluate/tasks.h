// Multiple-choice tasks and LAMBADA, read from their official files.
//
// Texts, choices and what counts as right are those of EleutherAI's lm-evaluation-harness; where the model has a
// beginning-of-text token it stands in front, as with the harness's add_bos_token (docs/method.md).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/error.h"

namespace flextron {

enum class TaskName { ArcEasy, Lambada, Piqa, Winogrande, Hellaswag, Mmlu };
std::string_view taskName(TaskName task); ///< "arc_easy", "lambada", ...
Result<TaskName> parseTaskName(std::string_view name);

/// One question. Choice i is the text contexts[i] + continuations[i], of which the continuation is judged.
struct TaskItem {
    std::vector<std::string> contexts;
    std::vector<std::string> continuations; ///< with the space in front
    std::vector<int> characters;            ///< Unicode code points of each choice without the space in front
    int gold = 0;                           ///< index of the right choice; LAMBADA has one choice only
};

struct Task {
    TaskName name = TaskName::ArcEasy;
    std::vector<TaskItem> items;
    int shots = 0;
    /// Accuracy normalised by length makes sense: the choices are texts of their own. Not for MMLU's letters,
    /// WinoGrande's common ending and LAMBADA's one word.
    [[nodiscard]] bool normalised() const;
    /// Judged by whether the most probable tokens are the right ones, not among choices.
    [[nodiscard]] bool greedy() const { return name == TaskName::Lambada; }
};

struct TaskFiles {
    std::vector<std::filesystem::path> data; ///< JSON Lines; for MMLU SUBJECT_test.csv, one or more
    /// PIQA: a label a line. Empty: beside the data, NAME-labels.lst or valid-labels.lst.
    std::filesystem::path labels;
    /// Answered examples in the task's format (for PIQA with labels beside them); the first `shots` are put in front.
    /// Empty for MMLU: ../dev/SUBJECT_dev.csv, as the official archive has it.
    std::filesystem::path examples;
    int shots = 0;
    int limit = 0; ///< the first so many items of each file; 0 = all
};

/// NotFound, or Corrupt with the file, the line and what was expected there.
Result<Task> readTask(TaskName name, const TaskFiles& files);

} // namespace flextron
