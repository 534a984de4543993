// How all tables of the window look and behave.
#pragma once

#include <QString>

class QTableView;

namespace flextron::ui {

/// Rows are chosen whole, Tab leaves the table, a row is one line high. `name` is for assistive technology.
void setUpTable(QTableView* table, const QString& name);

} // namespace flextron::ui
