#include "ui/parts/noticebar.h"

#include <QApplication>
#include <QClipboard>
#include <QEvent>
#include <QHBoxLayout>

#include "ui/parts/colors.h"
#include "ui/parts/format.h"

namespace flextron::ui {

NoticeBar::NoticeBar(QWidget* parent)
    : QFrame(parent)
    , text_(new QLabel)
    , answer_button_(new QPushButton)
    , copy_(new QPushButton(tr("Copy")))
{
    setObjectName(QStringLiteral("noticeBar"));
    setFrameShape(QFrame::StyledPanel);
    setAutoFillBackground(true);
    text_->setWordWrap(true);
    text_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    answer_button_->setAccessibleName(tr("Answer"));
    auto* dismiss = new QPushButton(tr("Dismiss"));
    auto* layout = new QHBoxLayout(this);
    layout->addWidget(text_, 1);
    layout->addWidget(answer_button_);
    layout->addWidget(copy_);
    layout->addWidget(dismiss);
    connect(answer_button_, &QPushButton::clicked, this, [this] {
        hide();
        if (answer_) answer_();
    });
    connect(copy_, &QPushButton::clicked, this, [this] { QApplication::clipboard()->setText(text_->text()); });
    connect(dismiss, &QPushButton::clicked, this, &QWidget::hide);
    updateColors();
    hide();
}

void NoticeBar::showError(const QString& title, const flextron::Error& error)
{
    text_->setText(title + QLatin1Char('\n') + formatError(error));
    answer_button_->hide();
    copy_->show();
    show();
}

void NoticeBar::ask(const QString& text, const QString& button, std::function<void()> answer)
{
    text_->setText(text);
    answer_ = std::move(answer);
    answer_button_->setText(button);
    answer_button_->setAccessibleName(button);
    answer_button_->show();
    copy_->hide();
    show();
}

void NoticeBar::changeEvent(QEvent* event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
}

void NoticeBar::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, cautionColor(palette()));
    text_->setPalette(colors);
}

} // namespace flextron::ui
