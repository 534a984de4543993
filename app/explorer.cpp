#include "engine/base/version.h"
#include "ui/about.h"

#include <QApplication>
#include <QCommandLineParser>

int main(int argc, char** argv)
{
    QApplication program(argc, argv);
    QApplication::setApplicationVersion(QLatin1String(flextron::version));
    QApplication::setApplicationDisplayName(flextron::ui::programTitle());
    QCommandLineParser parser;
    parser.addVersionOption();
    parser.addHelpOption();
    parser.process(program);
    return 0;
}
