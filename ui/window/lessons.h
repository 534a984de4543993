// Lessons that come with the program: sessions whose notes lead through the window.
#pragma once

#include <vector>

#include <QString>

namespace flextron::ui {

struct Lesson {
    QString file;
    QString title; ///< the first heading of its notes
};
/// Those of the program's resources, by file name. What cannot be read is left out.
std::vector<Lesson> findLessons();

/// Prompts known to show a difference on a bundled model, one a line; empty for another model.
QStringList promptsFor(const QString& model_name);

} // namespace flextron::ui
