// What the full model makes of a pane's own text: what differences are taken to.
#pragma once

#include <map>

#include <QObject>

#include "ui/data/comparison.h"
#include "ui/service/inquiry.h"

namespace flextron::ui {

/// Where a pane and the full pane have the same tokens, the full pane's records serve. After a split they are of
/// another text; then, when asked, the full model reads the pane's own.
class Baseline final : public QObject {
    Q_OBJECT

public:
    struct View {
        const Trace* trace = nullptr; ///< null: there is nothing to compare with
        int common = 0;               ///< tokens, from the first on, that are the same in both
    };

    Baseline(EngineService* service, Comparison* comparison, QObject* parent = nullptr);

    /// Valid until the next event.
    [[nodiscard]] View of(PaneSlot slot) const;
    /// The pane stands still and has tokens that cannot be compared yet.
    [[nodiscard]] bool canRead(PaneSlot slot) const;
    /// "Compare on the same text".
    void read(PaneSlot slot);
    [[nodiscard]] bool reading() const { return inquiry_.waiting(); }

signals:
    /// of(slot) or canRead(slot) may say something else.
    void changed();
    void failed(const flextron::Error& error);

private:
    EngineService* service_;
    Comparison* comparison_;
    PaneSlot asked_ = PaneSlot::Live;
    std::map<PaneSlot, Trace> read_;
    Inquiry<Trace> inquiry_;
};

} // namespace flextron::ui
