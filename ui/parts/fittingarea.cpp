#include "ui/parts/fittingarea.h"

#include <algorithm>

#include <QEvent>
#include <QLayout>
#include <QResizeEvent>
#include <QScreen>
#include <QScrollBar>

namespace flextron::ui {

FittingArea::FittingArea(QWidget* content, double most_of_screen, QWidget* parent)
    : QScrollArea(parent)
    , most_of_screen_(most_of_screen)
{
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::NoFocus); // its controls have the keyboard, and Tab scrolls to them
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setWidgetResizable(true);
    setWidget(content);
    content->installEventFilter(this);
}

QSize FittingArea::minimumSizeHint() const
{
    const int width = widget()->minimumSizeHint().width();
    const int most = static_cast<int>(most_of_screen_ * screen()->availableSize().height());
    if (neededHeight() <= most) return {width, neededHeight()};
    return {width + verticalScrollBar()->sizeHint().width(), most};
}

// Wrapped texts need more where it is narrow.
int FittingArea::neededHeight() const
{
    const QSize least = widget()->minimumSizeHint();
    const QLayout* layout = widget()->layout();
    if (layout == nullptr || !layout->hasHeightForWidth()) return least.height();
    return std::max(least.height(), layout->totalMinimumHeightForWidth(std::max(width(), least.width())));
}

void FittingArea::resizeEvent(QResizeEvent* event)
{
    QScrollArea::resizeEvent(event);
    if (event->size().width() != event->oldSize().width()) updateGeometry();
}

QSize FittingArea::sizeHint() const
{
    return widget()->sizeHint();
}

bool FittingArea::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == widget() && event->type() == QEvent::LayoutRequest) updateGeometry();
    return QScrollArea::eventFilter(watched, event);
}

} // namespace flextron::ui
