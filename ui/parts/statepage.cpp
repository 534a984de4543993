#include "ui/parts/statepage.h"

#include <QAction>
#include <QApplication>
#include <QClipboard>
#include <QEvent>
#include <QHBoxLayout>
#include <QLocale>
#include <QPlainTextEdit>
#include <QVBoxLayout>

#include "ui/parts/colors.h"
#include "ui/parts/format.h"
#include "ui/service/engineservice.h"

namespace flextron::ui {

namespace {

const char* codeName(ErrorCode code)
{
    switch (code) {
    case ErrorCode::InvalidArgument: return "InvalidArgument";
    case ErrorCode::NotFound: return "NotFound";
    case ErrorCode::Io: return "Io";
    case ErrorCode::Corrupt: return "Corrupt";
    case ErrorCode::Unsupported: return "Unsupported";
    case ErrorCode::OutOfMemory: return "OutOfMemory";
    case ErrorCode::Device: return "Device";
    case ErrorCode::Cancelled: return "Cancelled";
    case ErrorCode::Internal: return "Internal";
    }
    return "";
}

QString amountText(const LoadProgress& progress)
{
    const bool bytes = progress.unit == QLatin1String("bytes");
    const auto amount = [bytes](std::uint64_t value) {
        return bytes ? formatBytes(value) : QLocale().toString(static_cast<qulonglong>(value));
    };
    if (progress.total == 0) return progress.done == 0 ? QString() : amount(progress.done);
    const QString text = StatePage::tr("%1 of %2").arg(amount(progress.done), amount(progress.total));
    return bytes ? text : text + QLatin1Char(' ') + progress.unit;
}

} // namespace

ActionButton::ActionButton(QWidget* parent) : QPushButton(parent)
{
    hide();
    connect(this, &QPushButton::clicked, this, [this] {
        if (action_) action_->trigger();
    });
}

void ActionButton::setAction(QAction* action)
{
    if (action_) action_->disconnect(this);
    action_ = action;
    setVisible(action != nullptr);
    if (action == nullptr) return;
    connect(action, &QAction::changed, this, &ActionButton::follow);
    follow();
}

void ActionButton::follow()
{
    const QString text = action_->text().remove(QLatin1Char('&'));
    const QString key = action_->shortcut().toString(QKeySequence::NativeText);
    setText(key.isEmpty() ? text : QStringLiteral("%1 (%2)").arg(text, key));
    setAccessibleName(text);
    setEnabled(action_->isEnabled());
}

StatePage::StatePage(QWidget* content, QWidget* parent) : QWidget(parent), stack_(new QStackedWidget)
{
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(0);
    layout->addWidget(makeBanner());
    layout->addWidget(stack_, 1);
    stack_->addWidget(content);
    stack_->addWidget(makeMessagePage());
    content_policy_ = content->sizePolicy();
    turnTo(0);
    updateColors();
    updateTitle();
}

QWidget* StatePage::makeBanner()
{
    auto* frame = new QFrame;
    frame->setFrameShape(QFrame::StyledPanel);
    frame->setAutoFillBackground(true);
    banner_text_ = new QLabel;
    banner_text_->setWordWrap(true);
    banner_button_ = new ActionButton;
    auto* layout = new QHBoxLayout(frame);
    layout->addWidget(banner_text_, 1);
    layout->addWidget(banner_button_);
    frame->hide();
    banner_ = frame;
    return frame;
}

QWidget* StatePage::makeMessagePage()
{
    auto* page = new QWidget;
    title_ = new QLabel;
    text_ = new QLabel;
    for (QLabel* label : {title_, text_}) {
        label->setWordWrap(true);
        label->setAlignment(Qt::AlignHCenter);
    }
    text_->setTextInteractionFlags(Qt::TextSelectableByMouse);
    progress_ = new QProgressBar;
    progress_->setAccessibleName(tr("Progress"));
    button_ = new ActionButton;
    copy_ = new QPushButton(tr("Copy"));
    copy_->setAccessibleName(tr("Copy the error message"));
    details_toggle_ = new QToolButton;
    details_toggle_->setText(tr("Details"));
    details_toggle_->setAccessibleName(tr("Show details of the error"));
    details_toggle_->setCheckable(true);
    details_toggle_->setArrowType(Qt::RightArrow);
    details_toggle_->setToolButtonStyle(Qt::ToolButtonTextBesideIcon);
    details_ = new QPlainTextEdit;
    details_->setReadOnly(true);
    details_->setAccessibleName(tr("Details of the error"));
    details_->setMaximumHeight(fontMetrics().height() * 6);

    auto* buttons = new QHBoxLayout;
    buttons->addStretch();
    for (QWidget* widget : std::initializer_list<QWidget*>{button_, copy_, details_toggle_}) buttons->addWidget(widget);
    buttons->addStretch();
    auto* layout = new QVBoxLayout(page);
    layout->addStretch(1);
    layout->addWidget(title_);
    layout->addWidget(text_);
    layout->addWidget(progress_);
    layout->addLayout(buttons);
    layout->addWidget(details_);
    layout->addStretch(1);
    connect(details_toggle_, &QToolButton::toggled, this, [this](bool shown) {
        details_->setVisible(shown);
        details_toggle_->setArrowType(shown ? Qt::DownArrow : Qt::RightArrow);
    });
    connect(copy_, &QPushButton::clicked, this,
            [this] { QApplication::clipboard()->setText(details_->toPlainText()); });
    return page;
}

void StatePage::setMessage(State state, const QString& title, const QString& text, QAction* action)
{
    no_model_of_ = nullptr;
    const bool said = state == State::Empty && state_ == state && title_->text() == title && text_->text() == text &&
                      button_->action() == action;
    if (said && stack_->currentIndex() == 1) return;
    state_ = state;
    title_->setText(title);
    text_->setText(text);
    text_->setVisible(!text.isEmpty());
    button_->setAction(action);
    progress_->setVisible(state == State::Loading);
    copy_->setVisible(state == State::Error);
    details_toggle_->setVisible(state == State::Error);
    details_->setVisible(state == State::Error && details_toggle_->isChecked());
    banner_->hide();
    turnTo(1);
}

// A page that is not seen asks for no room: on a small screen there is none for what might be said some day.
void StatePage::turnTo(int page)
{
    constexpr QSizePolicy kNone(QSizePolicy::Ignored, QSizePolicy::Ignored);
    // Views say their state with every batch of tokens, and each change of a policy lays the whole window out anew.
    if (stack_->currentIndex() == page && stack_->widget(1 - page)->sizePolicy() == kNone) return;
    stack_->widget(0)->setSizePolicy(page == 0 ? content_policy_ : kNone);
    stack_->widget(1)->setSizePolicy(page == 1 ? QSizePolicy(QSizePolicy::Preferred, QSizePolicy::Preferred) : kNone);
    stack_->setCurrentIndex(page);
}

void StatePage::showEmpty(const QString& title, const QString& text, QAction* action)
{
    setMessage(State::Empty, title, text, action);
}

void StatePage::showLoading(const QString& title, const LoadProgress& progress, QAction* cancel)
{
    if (progress.stage != stage_ || state_ != State::Loading) {
        stage_ = progress.stage;
        stage_timer_.start();
    }
    QStringList parts;
    if (!progress.stage.isEmpty()) parts << progress.stage;
    const QString amount = amountText(progress);
    if (!amount.isEmpty()) parts << amount;
    const double elapsed = static_cast<double>(stage_timer_.elapsed()) / 1000.0;
    if (progress.total > 0 && progress.done > 0 && elapsed > 1.0) {
        const double left = elapsed * (static_cast<double>(progress.total) / static_cast<double>(progress.done) - 1.0);
        parts << tr("about %1 s left").arg(QLocale().toString(left, 'f', 0));
    }
    if (state_ == State::Loading && button_->action() == cancel) {
        title_->setText(title);
        text_->setText(parts.join(QStringLiteral(", ")));
        text_->setVisible(true);
    } else {
        setMessage(State::Loading, title, parts.join(QStringLiteral(", ")), cancel);
    }
    constexpr int kResolution = 1000;
    progress_->setRange(0, progress.total > 0 ? kResolution : 0);
    if (progress.total > 0) {
        progress_->setValue(
            static_cast<int>(kResolution * static_cast<double>(progress.done) / static_cast<double>(progress.total)));
    }
}

void StatePage::showNoModel(EngineService* service, const QString& text, QAction* open)
{
    no_model_text_ = text;
    no_model_open_ = open;
    if (service->loading()) setMessage(State::Empty, tr("Opening a model…"), {}, nullptr);
    else setMessage(State::Empty, tr("No model"), text, open);
    no_model_of_ = service;
    if (followed_ == service) return;
    followed_ = service;
    connect(service, &EngineService::busyChanged, this, [this] {
        if (no_model_of_ != nullptr) showNoModel(no_model_of_, no_model_text_, no_model_open_);
    });
}

void StatePage::showStarting(EngineService* service)
{
    if (stop_ == nullptr) {
        stop_ = new QAction(tr("Stop"), this);
        connect(stop_, &QAction::triggered, service, &EngineService::stop);
    }
    showLoading(tr("Starting"), {tr("reading the prompt"), 0, 0, {}}, stop_);
}

void StatePage::showContent()
{
    no_model_of_ = nullptr;
    state_ = State::Content;
    banner_->hide();
    turnTo(0);
}

void StatePage::showStale(const QString& why, QAction* again)
{
    if (state_ == State::Stale && banner_text_->text() == why) return;
    no_model_of_ = nullptr;
    state_ = State::Stale;
    banner_text_->setText(why);
    banner_button_->setAction(again);
    banner_->show();
    turnTo(0);
}

void StatePage::showError(const QString& title, const flextron::Error& error, QAction* again)
{
    setMessage(State::Error, title, formatError(error), again);
    details_->setPlainText(
        QStringLiteral("%1\n[%2] %3").arg(title, QLatin1String(codeName(error.code)), formatError(error)));
}

void StatePage::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
    if (event->type() == QEvent::FontChange) updateTitle();
}

void StatePage::updateTitle()
{
    QFont heading = font();
    heading.setPointSizeF(heading.pointSizeF() * 1.2);
    heading.setBold(true);
    title_->setFont(heading);
}

void StatePage::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, cautionColor(palette()));
    banner_text_->setPalette(colors);
}

} // namespace flextron::ui
