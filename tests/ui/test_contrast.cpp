// Every text that the window shows, against what it stands on: at least 4.5:1 (WCAG 2.1, AA) in both themes, in what
// is coloured by hand as well. Asked of the widgets' own palettes and formats, after a run that makes the window speak.
#include <QAbstractButton>
#include <QComboBox>
#include <QDockWidget>
#include <QLabel>
#include <QPlainTextEdit>
#include <QSettings>
#include <QTest>
#include <QTextBlock>

#include <qcustomplot.h>

#include "tests/ui/support/fake_engine.h"
#include "ui/compare/paneview.h"
#include "ui/compare/textcoloring.h"
#include "ui/inspect/inspectionviews.h"
#include "ui/parts/noticebar.h"
#include "ui/target/subnetworkpanel.h"
#include "ui/window/fileactions.h"
#include "ui/window/mainwindow.h"

using namespace flextron;
using namespace flextron::ui;

namespace {

constexpr double kReadable = 4.5;

/// The ground that a widget's text stands on: of the nearest one above it that paints its own.
QColor groundOf(const QWidget* widget)
{
    for (const QWidget* at = widget; at != nullptr; at = at->parentWidget()) {
        if (at->autoFillBackground() || at->isWindow()) return at->palette().color(at->backgroundRole());
    }
    return widget->palette().color(QPalette::Window);
}

QString name(const QWidget* widget)
{
    return QStringLiteral("%1 “%2” in %3")
        .arg(QLatin1String(widget->metaObject()->className()), widget->accessibleName(),
             widget->parentWidget() ? QLatin1String(widget->parentWidget()->metaObject()->className()) : QString());
}

void check(const QColor& text, const QColor& ground, const QString& what)
{
    QVERIFY2(contrast(text, ground) >= kReadable, qPrintable(QStringLiteral("%1: %2 on %3 has a contrast of %4")
                                                                 .arg(what, text.name(), ground.name())
                                                                 .arg(contrast(text, ground), 0, 'f', 2)));
}

/// Each stretch of the text as it is painted, marks included.
void checkText(const QPlainTextEdit* view)
{
    const QColor base = view->palette().color(QPalette::Base);
    const auto against = [&](const QTextCharFormat& format, const QColor& below, const QString& what) {
        const bool own = format.background().style() != Qt::NoBrush;
        const QColor text = format.foreground().style() != Qt::NoBrush ? format.foreground().color()
                                                                       : view->palette().color(QPalette::Text);
        check(text, own ? format.background().color() : below, what);
    };
    for (QTextBlock block = view->document()->begin(); block.isValid(); block = block.next()) {
        for (auto it = block.begin(); !it.atEnd(); ++it) against(it.fragment().charFormat(), base, name(view));
    }
    if (const auto* tokens = qobject_cast<const TokenTextView*>(view)) {
        for (const QTextEdit::ExtraSelection& mark : tokens->extraSelections())
            against(mark.format, base, name(view) + QStringLiteral(", a mark"));
    }
}

void checkPlot(QCustomPlot* plot)
{
    const QColor ground = plot->palette().color(QPalette::Base);
    for (QCPAxisRect* rect : plot->axisRects()) {
        for (const QCPAxis* axis : rect->axes()) {
            if (!axis->visible()) continue;
            if (axis->ticks() && axis->tickLabels())
                check(axis->tickLabelColor(), ground, name(plot) + QStringLiteral(", numbers"));
            if (!axis->label().isEmpty()) check(axis->labelColor(), ground, name(plot) + QStringLiteral(", label"));
        }
    }
    if (plot->legend->visible())
        check(plot->legend->textColor(), plot->legend->brush().color(), name(plot) + QStringLiteral(", legend"));
}

/// Of all that is there, also behind other tabs; but for what is disabled, which the standard leaves out.
void checkAll(const QWidget& window)
{
    for (const auto* label : window.findChildren<QLabel*>()) {
        if (!label->isEnabled()) continue;
        check(label->palette().color(label->foregroundRole()), groundOf(label),
              QStringLiteral("label “%1”").arg(label->text()));
    }
    for (const auto* button : window.findChildren<QAbstractButton*>()) {
        const QPalette& palette = button->palette();
        if (button->isEnabled())
            check(palette.color(QPalette::ButtonText), palette.color(QPalette::Button), name(button));
    }
    for (const auto* text : window.findChildren<QPlainTextEdit*>()) checkText(text);
    for (auto* plot : window.findChildren<QCustomPlot*>()) checkPlot(plot);
    for (const auto* widget : window.findChildren<QWidget*>()) {
        if (!widget->isEnabled()) continue;
        const QPalette& palette = widget->palette();
        check(palette.color(QPalette::Text), palette.color(QPalette::Base), name(widget));
        check(palette.color(QPalette::Text), palette.color(QPalette::AlternateBase), name(widget));
        check(palette.color(QPalette::WindowText), groundOf(widget), name(widget));
    }
}

} // namespace

class ContrastTest final : public QObject {
    Q_OBJECT

private slots:
    void init()
    {
        test::failOnWarnings();
        QSettings(QSettings::IniFormat, QSettings::UserScope, QStringLiteral("flextron"), QStringLiteral("explorer"))
            .clear();
        engine_ = std::make_unique<test::FakeEngine>();
    }

    void cleanup()
    {
        window_.reset();
        engine_.reset();
    }

    void everyTextIsReadable_data()
    {
        QTest::addColumn<int>("theme");
        QTest::newRow("light") << static_cast<int>(Theme::Light);
        QTest::newRow("dark") << static_cast<int>(Theme::Dark);
    }

    void everyTextIsReadable()
    {
        QFETCH(int, theme);
        applyTheme(static_cast<Theme>(theme));
        makeWindow();
        checkAll(*window_); // empty states
        load();
        window_->subNetworkPanel()->setBudget(0.0); // amber: these widths were never trained
        QTRY_VERIFY(complete());
        checkAll(*window_);
        if (QTest::currentTestFailed()) return;

        window_->selection()->selectToken(PaneSlot::Live, 6, 1);
        checkAll(*window_);
        for (const auto quantity : {TokenQuantity::Probability, TokenQuantity::Surprisal, TokenQuantity::LossDifference,
                                    TokenQuantity::Compute, TokenQuantity::Milliseconds}) {
            window_->inspection()->coloring()->setQuantity(quantity);
            checkAll(*window_);
        }
        if (QTest::currentTestFailed()) return;

        RunInputs changed = window_->comparison()->inputs();
        changed.prompt += QStringLiteral(" sat");
        window_->comparison()->setInputs(changed); // out of date
        window_->noticeBar()->showError(QStringLiteral("Something failed."), {ErrorCode::Io, "why", "what to do"});
        checkAll(*window_);
    }

    void aChangeOfThemeReachesEverything()
    {
        applyTheme(Theme::Light);
        makeWindow();
        load();
        window_->subNetworkPanel()->setBudget(0.0);
        QTRY_VERIFY(complete());
        window_->inspection()->coloring()->setQuantity(TokenQuantity::Surprisal);
        for (const Theme theme : {Theme::Dark, Theme::Light}) {
            applyTheme(theme);
            QCoreApplication::processEvents();
            checkAll(*window_);
        }
    }

private:
    void makeWindow()
    {
        window_ = std::make_unique<MainWindow>(engine_->calls());
        window_->setMeasureInBackground(false);
        RunInputs inputs = window_->comparison()->inputs();
        inputs.prompt = QString::fromLatin1(test::kPrompt);
        inputs.max_tokens = 20;
        window_->comparison()->setInputs(inputs);
        window_->show();
        QVERIFY(QTest::qWaitForWindowExposed(window_.get()));
    }

    void load()
    {
        window_->openModel(QStringLiteral("fake"));
        QTRY_VERIFY(window_->service()->model());
        QTest::qWait(1); // what is queued after it
    }

    [[nodiscard]] bool complete() const
    {
        return !window_->service()->running() && window_->comparison()->pane(PaneSlot::Live).complete() &&
               window_->comparison()->pane(PaneSlot::Full).complete();
    }

    std::unique_ptr<test::FakeEngine> engine_;
    std::unique_ptr<MainWindow> window_;
};

QTEST_MAIN(ContrastTest)
#include "test_contrast.moc"
