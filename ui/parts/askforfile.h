// File dialogs without a loop of their own: the window goes on while one is open.
#pragma once

#include <functional>

#include <QString>
#include <QWidget>

namespace flextron::ui {

struct FileQuestion {
    enum class Kind { Open, Save, Folder };
    Kind kind = Kind::Open;
    QString title;  ///< a menu's text will do: "&" and "…" are left out
    QString filter; ///< "Texts (*.txt *.md)"; several are parted by ";;"
    QString name;   ///< offered for saving
    QString ending; ///< of a name that is given without one
};

/// `chosen` gets the path; it is not called when the dialog is closed without an answer, or `asker` is gone.
void askForFile(QWidget* asker, const FileQuestion& question, std::function<void(const QString&)> chosen);

} // namespace flextron::ui
