#include "ui/window/notesmarkup.h"

#include <QRegularExpression>
#include <QStringList>

namespace flextron::ui {

QString visibleNotes(const QString& notes, const std::set<int>& open)
{
    static const QRegularExpression begins(QStringLiteral("^<!-- hidden: (.+) -->$"));
    static const QRegularExpression ends(QStringLiteral("^<!-- end -->$"));
    QStringList shown;
    int parts = 0;
    bool inside = false;
    bool visible = true;
    for (const QString& line : notes.split(QLatin1Char('\n'))) {
        if (const auto begin = begins.match(line.trimmed()); begin.hasMatch() && !inside) {
            inside = true;
            visible = open.contains(parts);
            shown << QString()
                  << QStringLiteral("[%1 %2](toggle:%3)")
                         .arg(visible ? QStringLiteral("▾") : QStringLiteral("▸"), begin.captured(1))
                         .arg(parts)
                  << QString();
            ++parts;
        } else if (inside && ends.match(line.trimmed()).hasMatch()) {
            inside = false;
            visible = true;
            shown << QString();
        } else if (visible) {
            shown << (inside ? QStringLiteral("> ") + line : line);
        }
    }
    return shown.join(QLatin1Char('\n'));
}

QString notesTitle(const QString& notes)
{
    static const QRegularExpression heading(QStringLiteral("^#+ +(.+)$"), QRegularExpression::MultilineOption);
    return heading.match(notes).captured(1).trimmed();
}

} // namespace flextron::ui
