// The fields of the convert form, as a plan and back.
#pragma once

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QToolButton>
#include <QWidget>

#include "ui/jobs/convertplan.h"
#include "ui/parts/filelist.h"

namespace flextron::ui {

class ConvertFields final : public QWidget {
    Q_OBJECT

public:
    explicit ConvertFields(QWidget* parent = nullptr);

    void setPlan(const ConvertPlan& plan);
    [[nodiscard]] ConvertPlan plan() const;
    /// What is known of the chosen base, under its field.
    void setBaseText(const QString& text) { base_facts_->setText(text); }
    void setOut(const QString& out);
    [[nodiscard]] QLineEdit* base() const { return base_; }
    [[nodiscard]] FileList* texts() const { return texts_; }
    [[nodiscard]] QLineEdit* out() const { return out_; }
    [[nodiscard]] QToolButton* advancedButton() const { return advanced_button_; }
    [[nodiscard]] QWidget* advanced() const { return advanced_; }

signals:
    void edited();
    /// By hand, from the file dialog, or dropped: not by setPlan().
    void baseChosen(const QString& folder);

private:
    QWidget* makeBase();
    QWidget* makeLength();
    QWidget* makeOut();
    QWidget* makeAdvanced();
    QSpinBox* count(const QString& name, const QString& help, int most, const QString& none);
    QLineEdit* line(const QString& name, const QString& help, const QString& placeholder);
    void showFitting();
    void tell();

    bool setting_ = false;
    QFormLayout* form_ = nullptr;
    QComboBox* what_ = nullptr;
    QLineEdit* base_ = nullptr;
    QLabel* base_facts_ = nullptr;
    FileList* texts_ = nullptr;
    FileList* validation_ = nullptr;
    QComboBox* by_ = nullptr;
    QDoubleSpinBox* share_ = nullptr;
    QLabel* of_ = nullptr;
    QLineEdit* base_tokens_ = nullptr;
    QLineEdit* tokens_ = nullptr;
    QLabel* length_text_ = nullptr;
    QWidget* length_ = nullptr;
    QLineEdit* out_ = nullptr;
    QToolButton* advanced_button_ = nullptr;
    QWidget* advanced_ = nullptr;
    QFormLayout* advanced_form_ = nullptr;
    QSpinBox *batch_ = nullptr, *sequence_length_ = nullptr, *importance_ = nullptr, *threads_ = nullptr,
             *validate_every_ = nullptr, *seed_ = nullptr;
    QDoubleSpinBox* checkpoint_ = nullptr;
    QLineEdit *mlp_choices_ = nullptr, *head_choices_ = nullptr, *budgets_ = nullptr;
};

} // namespace flextron::ui
