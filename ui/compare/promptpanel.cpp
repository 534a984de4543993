#include "ui/compare/promptpanel.h"

#include <QEvent>
#include <QHBoxLayout>
#include <QLocale>
#include <QMenu>
#include <QMimeData>
#include <QVBoxLayout>

#include "ui/parts/colors.h"
#include "ui/parts/format.h"

namespace flextron::ui {

namespace {
constexpr int kCountIntervalMs = 100;
constexpr int kLines = 2; // one beside large letters, as there is no hint then

/// Files that are dropped are opened by the window; their addresses are no part of a prompt.
class PromptEdit final : public QPlainTextEdit {
public:
    using QPlainTextEdit::QPlainTextEdit;

private:
    [[nodiscard]] bool canInsertFromMimeData(const QMimeData* source) const override
    {
        return !source->hasUrls() && QPlainTextEdit::canInsertFromMimeData(source);
    }
};
} // namespace

PromptPanel::PromptPanel(EngineService* service, QWidget* parent)
    : QWidget(parent)
    , service_(service)
    , edit_(new PromptEdit)
    , count_(new QLabel)
    , hint_(new QLabel)
    , pick_(new QToolButton)
    , count_throttle_(kCountIntervalMs, [this] { service_->tokenize(prompt()); })
{
    auto* title = new QLabel(tr("Pr&ompt"));
    QFont strong = font();
    strong.setBold(true);
    title->setFont(strong);
    title->setBuddy(edit_);
    edit_->setObjectName(QStringLiteral("promptEdit"));
    edit_->setAccessibleName(tr("Prompt"));
    edit_->setPlaceholderText(tr("Write the beginning of a text: the model goes on from here."));
    edit_->setTabChangesFocus(true);
    updateHeight();
    count_->setObjectName(QStringLiteral("tokenCount"));
    hint_->setWordWrap(true);

    auto* heading = new QHBoxLayout;
    heading->addWidget(title);
    pick_->setObjectName(QStringLiteral("pickPrompt"));
    pick_->setText(tr("Pick a Prompt"));
    pick_->setToolTip(tr("Beginnings at which this model, whole and narrow, goes on differently"));
    pick_->setAutoRaise(true);
    pick_->setPopupMode(QToolButton::InstantPopup);
    pick_->setMenu(new QMenu(pick_));
    pick_->hide();
    heading->addWidget(pick_);
    heading->addStretch(1);
    heading->addWidget(count_);
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(0, 0, 0, 0);
    layout->setSpacing(fontMetrics().height() / 4);
    layout->addLayout(heading);
    layout->addWidget(edit_);
    layout->addWidget(hint_);
    updateColors();

    connect(edit_, &QPlainTextEdit::textChanged, this, [this] {
        emit promptChanged();
        count_throttle_.trigger();
    });
    connect(service_, &EngineService::modelLoaded, this, [this] { count_throttle_.trigger(); });
    connect(service_, &EngineService::tokenized, this, &PromptPanel::showCount);
}

void PromptPanel::setHint(const QString& hint)
{
    hint_->setText(hint);
    hint_->setVisible(hint_shown_ && !hint.isEmpty());
}

void PromptPanel::setHintShown(bool shown)
{
    hint_shown_ = shown;
    updateHeight();
    setHint(hint_->text());
}

void PromptPanel::setPrompts(const QStringList& prompts)
{
    pick_->menu()->clear();
    for (const QString& prompt : prompts) {
        connect(pick_->menu()->addAction(QString(prompt).replace(QLatin1Char('&'), QLatin1String("&&"))),
                &QAction::triggered, this, [this, prompt] { setPrompt(prompt); });
    }
    pick_->setVisible(!prompts.isEmpty());
}

void PromptPanel::showCount(int tokens, const QString& problem)
{
    if (!problem.isEmpty()) {
        count_->setText(problem);
        return;
    }
    const int room = service_->model() ? service_->model()->config().max_position_embeddings : 0;
    count_->setText(tr("%1 of %2").arg(formatTokens(tokens), QLocale().toString(room)));
    count_->setToolTip(
        tr("Tokens of the prompt, the beginning-of-text token included, of those that the model can see at once."));
}

void PromptPanel::changeEvent(QEvent* event)
{
    QWidget::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
    if (event->type() == QEvent::FontChange) updateHeight();
}

void PromptPanel::updateHeight()
{
    const int frame = 2 * edit_->frameWidth() + static_cast<int>(2 * edit_->document()->documentMargin());
    edit_->setFixedHeight(QFontMetrics(font()).lineSpacing() * (hint_shown_ ? kLines : 1) + frame);
}

void PromptPanel::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, quietColor(palette()));
    hint_->setPalette(colors);
    count_->setPalette(colors);
}

} // namespace flextron::ui
