// Tables for people.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

// Rows of cells in columns three blanks apart; rows may differ in length. The last cell of a row is not padded.
std::string align_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace kobuk::app
