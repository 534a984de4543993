// One question of each task as its official file writes it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/evaluate/tasks.h"

namespace flextron {

/// A question before examples are put in front of it.
struct Question {
    TaskItem item;
    /// As an example for others: the whole text with the right answer.
    [[nodiscard]] std::string answered() const;
};

/// All questions of a file, the first `limit` of them (0 = all). Throws.
std::vector<Question> readQuestions(TaskName name, const std::filesystem::path& file,
                                    const std::filesystem::path& labels, int limit);

/// "high school biology" of .../high_school_biology_test.csv.
std::string mmluSubject(const std::filesystem::path& file);

/// Records of fields apart by commas; a field in quotes may hold commas, line ends and doubled quotes.
std::vector<std::vector<std::string>> parseCsv(std::string_view text);

/// HellaSwag's texts come from subtitles and how-to pages: headings, remarks in brackets, double spaces.
std::string cleanHellaswag(std::string text);

} // namespace flextron
