#include "ui/parts/askforfile.h"

#include <utility>

#include <QFileDialog>

namespace flextron::ui {

void askForFile(QWidget* asker, const FileQuestion& question, std::function<void(const QString&)> chosen)
{
    const QString title = QString(question.title).remove(QLatin1Char('&')).remove(QStringLiteral("…"));
    auto* dialog = new QFileDialog(asker, title, {}, question.filter);
    dialog->setAttribute(Qt::WA_DeleteOnClose);
    switch (question.kind) {
    case FileQuestion::Kind::Open: dialog->setFileMode(QFileDialog::ExistingFile); break;
    case FileQuestion::Kind::Save: dialog->setAcceptMode(QFileDialog::AcceptSave); break;
    case FileQuestion::Kind::Folder:
        dialog->setFileMode(QFileDialog::Directory);
        dialog->setOption(QFileDialog::ShowDirsOnly);
        break;
    }
    if (!question.ending.isEmpty()) dialog->setDefaultSuffix(question.ending);
    if (!question.name.isEmpty()) dialog->selectFile(question.name);
    QObject::connect(dialog, &QFileDialog::fileSelected, asker, std::move(chosen));
    dialog->open();
}

} // namespace flextron::ui
