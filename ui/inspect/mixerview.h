// The layer mixer: a fader a layer for the MLP, and one for the heads.
#pragma once

#include <set>
#include <vector>

#include <QComboBox>
#include <QLabel>
#include <QScrollArea>
#include <QSlider>
#include <QToolButton>
#include <QWidget>

#include "ui/data/mixerdata.h"
#include "ui/inspect/inspected.h"
#include "ui/parts/statusline.h"

namespace flextron::ui {

class MixerView final : public QWidget {
    Q_OBJECT

public:
    MixerView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString summary() const { return summary_->fullText(); }
    /// As the faders stand; what runs is this with solo applied.
    [[nodiscard]] const SubNetwork& mix() const { return mix_; }
    [[nodiscard]] QSlider* fader(int layer, bool mlp) const;
    [[nodiscard]] QList<QAction*> viewActions() const { return {import_action_, export_action_, from_token_action_}; }
    void applyPreset(MixerPreset preset);
    void setSolo(int layer, bool solo);
    void setLocked(int layer, bool locked);
    /// CSV, JSON or the text form. The error names the place.
    Result<void> importText(const std::string& text);
    void importFile(const QString& file);
    void exportFile(const QString& file);

signals:
    void failed(const QString& title, const flextron::Error& error);
    void said(const QString& text); ///< for the status bar

private:
    struct Channel {
        std::vector<int> mlp_stops;
        std::vector<int> head_stops;
        QSlider* mlp = nullptr;
        QSlider* heads = nullptr;
        QLabel* value = nullptr;
        QToolButton* solo = nullptr;
        QToolButton* lock = nullptr;
    };
    QWidget* makeContent();
    void makeActions();
    void setModel(const ModelInfoPtr& model);
    QWidget* makeChannel(int layer);
    QSlider* makeFader(int layer, bool mlp, const std::vector<int>& stops);
    void setMix(SubNetwork mix, bool run);
    void showMix();
    void runMix(bool dragging);
    void followTarget();
    void takeFromToken();

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    QAction* import_action_ = nullptr;
    QAction* export_action_ = nullptr;
    QAction* from_token_action_ = nullptr;
    SubNetwork mix_;
    std::set<int> solo_;
    std::set<int> locked_;
    bool showing_ = false; // faders are being set, not moved
    StatePage* page_ = nullptr;
    QComboBox* presets_ = nullptr;
    ElidedLabel* summary_ = nullptr;
    QScrollArea* scroll_ = nullptr;
    std::vector<Channel> channels_;
};

} // namespace flextron::ui
