#include "ui/window/lessons.h"

#include <QDir>
#include <QFile>

#include "engine/base/files.h"
#include "ui/window/notesmarkup.h"
#include "ui/window/session.h"

namespace flextron::ui {

namespace {

QDir resources(const char* folder)
{
    return QDir(QString::fromStdString((resourceFolder() / folder).string()));
}

} // namespace

std::vector<Lesson> findLessons()
{
    std::vector<Lesson> lessons;
    const QDir folder = resources("lessons");
    for (const QString& name : folder.entryList({QStringLiteral("*.flextron")}, QDir::Files, QDir::Name)) {
        const auto session = readSession(folder.filePath(name));
        if (session.ok()) lessons.push_back({folder.filePath(name), notesTitle(session->notes)});
    }
    return lessons;
}

QStringList promptsFor(const QString& model_name)
{
    constexpr std::uint64_t kMostBytes = 1u << 16;
    const QDir folder = resources("prompts");
    const QString file = model_name + QLatin1String(".txt");
    if (!folder.entryList(QDir::Files).contains(file)) return {};
    const auto text = readFile(folder.filePath(file).toStdString(), kMostBytes);
    return text.ok() ? QString::fromStdString(*text).split(QLatin1Char('\n'), Qt::SkipEmptyParts) : QStringList();
}

} // namespace flextron::ui
