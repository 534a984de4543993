#include "ui/parts/wheelguard.h"

#include <QAbstractSpinBox>
#include <QComboBox>
#include <QEvent>

namespace flextron::ui {

namespace {

class WheelGuard final : public QObject {
public:
    using QObject::QObject;

private:
    bool eventFilter(QObject* watched, QEvent* event) override
    {
        const auto* box = qobject_cast<QWidget*>(watched);
        if (event->type() != QEvent::Wheel || box == nullptr || box->hasFocus())
            return QObject::eventFilter(watched, event);
        event->ignore(); // it goes on to what scrolls
        return true;
    }
};

} // namespace

void guardFromWheel(QWidget* panel)
{
    auto* guard = new WheelGuard(panel);
    for (QWidget* box : panel->findChildren<QWidget*>()) {
        if (qobject_cast<QAbstractSpinBox*>(box) == nullptr && qobject_cast<QComboBox*>(box) == nullptr) continue;
        box->setFocusPolicy(Qt::StrongFocus); // else the wheel itself brings the keyboard there
        box->installEventFilter(guard);
    }
}

} // namespace flextron::ui
