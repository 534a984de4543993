#include "ui/parts/tables.h"

#include <QAbstractButton>
#include <QHeaderView>
#include <QTableView>

namespace flextron::ui {

void setUpTable(QTableView* table, const QString& name)
{
    table->setAccessibleName(name);
    table->setSelectionBehavior(QAbstractItemView::SelectRows);
    table->setSelectionMode(QAbstractItemView::SingleSelection);
    table->setTabKeyNavigation(false);
    table->setAlternatingRowColors(true);
    table->setWordWrap(false);
    table->setCornerButtonEnabled(false);
    for (auto* corner : table->findChildren<QAbstractButton*>()) corner->setAccessibleName(name);
    table->verticalHeader()->hide();
    table->verticalHeader()->setDefaultSectionSize(table->fontMetrics().height() * 3 / 2);
    table->horizontalHeader()->setHighlightSections(false);
}

} // namespace flextron::ui
