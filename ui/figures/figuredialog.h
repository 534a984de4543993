// A figure for print: which view, how wide, what kind of file; with a preview of what will be on the paper.
#pragma once

#include <memory>

#include <QCheckBox>
#include <QComboBox>
#include <QDialog>
#include <QLabel>
#include <QList>
#include <QPointer>
#include <QPushButton>

#include "ui/figures/figurefile.h"

class QCustomPlot;

namespace flextron::ui {

class FigureDialog final : public QDialog {
    Q_OBJECT

public:
    /// `plots` are offered as they are shown. Their sidecar has `origin` as the views' have.
    FigureDialog(FigureSource source, const QList<QCustomPlot*>& plots, QJsonObject origin, QWidget* parent);

    /// "heatmap"; a plot by its object name.
    void setView(const QString& id);
    void setWidthMm(double width);
    [[nodiscard]] double widthMm() const;
    [[nodiscard]] QString ending() const; ///< "svg", "pdf", "png"
    [[nodiscard]] bool withData() const { return data_->isChecked(); }
    /// Of what is previewed now; none while it is drawn, and where it cannot be.
    [[nodiscard]] const std::optional<Figure>& figure() const { return figure_; }
    [[nodiscard]] const QJsonObject& origin() const { return origin_; }
    [[nodiscard]] QString problem() const { return problem_->text(); }

signals:
    /// figure() may have changed.
    void drawn();

private:
    void listViews(const QList<QCustomPlot*>& plots);
    void makeLayout();
    void redraw();
    struct Drawing {
        std::optional<Figure> figure;
        QImage preview;
        Error error;
    };
    void show(const Drawing& drawing);

    std::shared_ptr<const FigureSource> source_;
    QJsonObject origin_;
    QList<QPointer<QCustomPlot>> plots_;
    std::optional<Figure> figure_;
    int asked_ = 0; // tells a late preview from the newest
    QComboBox* view_;
    QComboBox* width_;
    QComboBox* format_;
    QCheckBox* data_;
    QLabel* preview_;
    QLabel* problem_;
    QPushButton* save_ = nullptr;
};

} // namespace flextron::ui
