// What notes keep hidden until a reader asks: answers to be guessed first, remarks for a teacher.
#pragma once

#include <set>

#include <QString>

namespace flextron::ui {

/// Notes in Markdown as they are shown. A part between a line "<!-- hidden: TITLE -->" and a line "<!-- end -->" is a
/// link "toggle:N" that says TITLE (N counts from 0), and the part itself, indented, only where N is in `open`. A part
/// that is never ended goes on to the end.
QString visibleNotes(const QString& notes, const std::set<int>& open);

/// The text of the first heading; empty without one.
QString notesTitle(const QString& notes);

} // namespace flextron::ui
