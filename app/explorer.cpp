// The explorer: wiring only.
#include <iostream>
#include <memory>
#include <optional>

#include <QApplication>
#include <QCommandLineParser>
#include <QFileInfo>

#include "app/figures.h"
#include "engine/base/version.h"
#include "ui/compare/promptpanel.h"
#include "ui/parts/colors.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/latencymeter.h"
#include "ui/window/mainwindow.h"
#include "ui/window/screenshot.h"

namespace {

using flextron::Error;
using flextron::ErrorCode;
using flextron::Failure;

constexpr double kDefaultBudget = 0.75;
constexpr QSize kPictureSize(1280, 720); // where no screen says how large

struct Options {
    QString model;
    QString screenshot;
    QString measure;
    int measure_seconds = 600;
    QString prompt;
    std::optional<double> budget;
    std::optional<QSize> size;
    flextron::ui::Theme theme = flextron::ui::Theme::System;
};

int fail(const Error& error, int code)
{
    std::cerr << "flextron-explorer: error: " << error.message << "\n";
    if (!error.hint.empty()) std::cerr << "hint: " << error.hint << "\n";
    return code;
}

bool given(int argc, char** argv, std::string_view option)
{
    for (int i = 1; i < argc; ++i) {
        if (std::string_view(argv[i]).starts_with(option)) return true;
    }
    return false;
}

/// Qt aborts without a display; here it is said before. A picture needs none.
bool haveDisplay(int argc, char** argv)
{
    if (!qEnvironmentVariableIsEmpty("QT_QPA_PLATFORM") || given(argc, argv, "-platform")) return true;
    if (!qEnvironmentVariableIsEmpty("DISPLAY") || !qEnvironmentVariableIsEmpty("WAYLAND_DISPLAY")) return true;
    for (const char* needs_none : {"--screenshot", "--help", "-h", "--version", "-v"}) {
        if (given(argc, argv, needs_none)) {
            qputenv("QT_QPA_PLATFORM", "offscreen");
            return true;
        }
    }
    return false;
}

QSize parseSize(const QString& text)
{
    const QStringList parts = text.split(QLatin1Char('x'));
    bool width_ok = false;
    bool height_ok = false;
    const QSize size(parts.value(0).toInt(&width_ok), parts.value(1).toInt(&height_ok));
    constexpr int kSmallest = 320;
    constexpr int kLargest = 16384;
    const auto fits = [](int side) { return side >= kSmallest && side <= kLargest; };
    if (parts.size() != 2 || !width_ok || !height_ok || !fits(size.width()) || !fits(size.height())) {
        throw Failure(ErrorCode::InvalidArgument,
                      "--size " + text.toStdString() + ": expected WIDTHxHEIGHT, each 320 to 16384",
                      "For example --size 1280x720.");
    }
    return size;
}

flextron::ui::Theme parseTheme(const QString& text)
{
    if (text == QLatin1String("light")) return flextron::ui::Theme::Light;
    if (text == QLatin1String("dark")) return flextron::ui::Theme::Dark;
    if (text == QLatin1String("system")) return flextron::ui::Theme::System;
    throw Failure(ErrorCode::InvalidArgument, "--theme " + text.toStdString() + ": expected light, dark or system");
}

double parseBudget(const QString& text)
{
    bool ok = false;
    const double budget = text.toDouble(&ok);
    if (!ok || !(budget > 0.0 && budget <= 1.0)) {
        throw Failure(ErrorCode::InvalidArgument,
                      "--budget " + text.toStdString() + ": expected a share of full latency, 0 < F <= 1",
                      "For example --budget 0.6.");
    }
    return budget;
}

int parseSeconds(const QString& text)
{
    bool ok = false;
    const int seconds = text.toInt(&ok);
    constexpr int kMost = 86'400;
    if (!ok || seconds < 1 || seconds > kMost) {
        throw Failure(ErrorCode::InvalidArgument,
                      "--measure-seconds " + text.toStdString() + ": expected a number from 1 to 86400");
    }
    return seconds;
}

Options parseOptions(const QApplication& program)
{
    QCommandLineParser parser;
    parser.setApplicationDescription(
        QStringLiteral("Explore elastic language models: drag a slider, and watch a model shrink while it writes."));
    parser.addHelpOption();
    parser.addVersionOption();
    parser.addPositionalArgument(
        QStringLiteral("MODEL"),
        QStringLiteral("Checkpoint folder or bundled name; the first bundled one without it. A "
                       "session or a trace is opened as well."),
        QStringLiteral("[MODEL]"));
    const QCommandLineOption screenshot(QStringLiteral("screenshot"),
                                        QStringLiteral("Run the default comparison, write the window to FILE, leave."),
                                        QStringLiteral("FILE.png"));
    const QCommandLineOption size(QStringLiteral("size"), QStringLiteral("Size of the window."), QStringLiteral("WxH"));
    const QCommandLineOption theme(QStringLiteral("theme"), QStringLiteral("light, dark or system."),
                                   QStringLiteral("THEME"));
    const QCommandLineOption prompt(QStringLiteral("prompt"), QStringLiteral("Text to start from."),
                                    QStringLiteral("TEXT"));
    const QCommandLineOption budget(QStringLiteral("budget"),
                                    QStringLiteral("Run at this share of the full model's latency, 0 < F <= 1."),
                                    QStringLiteral("F"));
    const QCommandLineOption measure(
        QStringLiteral("measure-latency"),
        QStringLiteral(
            "Play a session on the window (load, run, drag, pin, read, export), write how late its thread was to "
            "FILE as JSON, leave."),
        QStringLiteral("FILE"));
    const QCommandLineOption seconds(QStringLiteral("measure-seconds"),
                                     QStringLiteral("How long that session is; 600 without it."), QStringLiteral("N"));
    parser.addOptions({screenshot, size, theme, prompt, budget, measure, seconds});
    parser.process(program);

    Options options;
    options.model = parser.positionalArguments().value(0);
    options.screenshot = parser.value(screenshot);
    options.prompt = parser.value(prompt);
    options.measure = parser.value(measure);
    if (parser.isSet(seconds)) options.measure_seconds = parseSeconds(parser.value(seconds));
    if (parser.isSet(size)) options.size = parseSize(parser.value(size));
    if (parser.isSet(theme)) options.theme = parseTheme(parser.value(theme));
    if (parser.isSet(budget)) options.budget = parseBudget(parser.value(budget));
    return options;
}

/// `flextron render`, which is called by that name: no window, no display.
int drawFigure(int argc, char** argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen");
    const QGuiApplication program(argc, argv);
    const auto files = flextron::app::renderFigure(QGuiApplication::arguments().mid(1));
    if (!files.ok()) {
        std::cerr << "flextron: error: " << files.error().message << "\n";
        if (!files.error().hint.empty()) std::cerr << "hint: " << files.error().hint << "\n";
        return 1;
    }
    for (const QString& file : *files) std::cout << file.toStdString() << "\n";
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    static constexpr int kFailed = 1;
    constexpr int kUsage = 2;
    if (argc > 1 && std::string_view(argv[1]) == "--render") return drawFigure(argc, argv);
    if (!haveDisplay(argc, argv)) {
        return fail({ErrorCode::Device, "there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set",
                     "Run it in a graphical session (or with ssh -X), write a picture with --screenshot FILE.png, or "
                     "use the flextron "
                     "command in the terminal."},
                    kFailed);
    }
    flextron::ui::MeasuredApplication program(argc, argv);
    QApplication::setApplicationName(QStringLiteral("flextron-explorer"));
    QApplication::setApplicationVersion(QLatin1String(flextron::version));
    const auto options = flextron::guarded([&] { return parseOptions(program); });
    if (!options.ok()) return fail(options.error(), kUsage);
    flextron::ui::applyTheme(options->theme);

    flextron::ui::MainWindow window;
    if (options->size) window.resize(*options->size);
    if (!options->prompt.isEmpty()) window.promptPanel()->setPrompt(options->prompt);
    std::unique_ptr<flextron::ui::Screenshot> screenshot;
    if (!options->screenshot.isEmpty()) {
        window.setMeasureInBackground(false);
        window.resetLayout();
        window.resize(options->size.value_or(kPictureSize));
        screenshot = std::make_unique<flextron::ui::Screenshot>(&window, options->screenshot,
                                                                options->budget.value_or(kDefaultBudget));
        QObject::connect(screenshot.get(), &flextron::ui::Screenshot::saved, &program, [](const QString& file) {
            std::cout << file.toStdString() << "\n";
            QApplication::exit(0);
        });
        QObject::connect(screenshot.get(), &flextron::ui::Screenshot::failed, &program,
                         [](const Error& error) { QApplication::exit(fail(error, kFailed)); });
    } else if (options->budget) {
        QObject::connect(
            window.service(), &flextron::ui::EngineService::modelLoaded, &window,
            [&window, budget = *options->budget] { window.subNetworkPanel()->setBudget(budget); },
            static_cast<Qt::ConnectionType>(Qt::QueuedConnection | Qt::SingleShotConnection));
    }
    window.show();
    const bool measuring = !options->measure.isEmpty();
    if (options->screenshot.isEmpty() && !measuring) window.keepRecovery();
    if (measuring) {
        auto* meter = new flextron::ui::LatencyMeter(&window, &program, options->measure, options->measure_seconds);
        QObject::connect(meter, &flextron::ui::LatencyMeter::finished, &window, &QWidget::close);
        QObject::connect(meter, &flextron::ui::LatencyMeter::failed, &program,
                         [](const Error& error) { QApplication::exit(fail(error, kFailed)); });
        meter->start();
    }
    if (QFileInfo(options->model).isFile()) window.files()->openFile(QFileInfo(options->model).absoluteFilePath());
    else window.openModel(options->model);
    return QApplication::exec();
}
