// A short list of files, to be added to and taken from; a share beside each where that is wanted.
#pragma once

#include <optional>

#include <QTreeWidget>
#include <QWidget>

class QLabel;
class QPushButton;

namespace flextron::ui {

class FileList final : public QWidget {
    Q_OBJECT

public:
    /// `what` names the list for assistive technology; `empty` is said in it while there is nothing.
    FileList(const QString& what, const QString& empty, const QString& filter, bool shares, QWidget* parent = nullptr);

    void add(const QString& file, std::optional<double> share = {});
    void clear();
    [[nodiscard]] QStringList files() const;
    /// Of file i, as typed; none where nothing or nonsense stands.
    [[nodiscard]] std::optional<double> share(int i) const;

signals:
    void edited();

private:
    void ask();
    void removeChosen();
    void follow();
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

    QString what_;
    QString filter_;
    bool shares_;
    QTreeWidget* list_;
    QPushButton* remove_ = nullptr;
    QLabel* hint_ = nullptr;
};

} // namespace flextron::ui
