// What reading sub-networks teaches about the surrogate. Not a public header.
//
// Source: kernel ridge regression, as in any textbook; that it corrects the surrogate is our choice (docs/method.md).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace flextron {

/// Index of a choice for every place: a layer's heads, its MLP, the next layer's heads, ...
using Genes = std::vector<int>;

/// The surrogate's errors on what was read, carried over to others by how many choices they share: the kernel is
/// exp(-4 x the share of places that differ).
class Corrections {
public:
    [[nodiscard]] bool knows(const Genes& genes) const
    {
        return std::find(read_.begin(), read_.end(), genes) != read_.end();
    }
    /// `error`: measured less foretold, nats a token.
    void add(const Genes& genes, double error)
    {
        read_.push_back(genes);
        errors_.push_back(error);
        factorise();
        solve();
    }
    [[nodiscard]] double at(const Genes& genes) const
    {
        double sum = 0;
        for (std::size_t i = 0; i < read_.size(); ++i) sum += weights_[i] * alike(genes, read_[i]);
        return sum;
    }

private:
    static double alike(const Genes& a, const Genes& b)
    {
        int differ = 0;
        for (std::size_t place = 0; place < a.size(); ++place) differ += a[place] != b[place] ? 1 : 0;
        return std::exp(-4.0 * differ / static_cast<double>(a.size()));
    }

    /// The new row of the lower triangle of K + ridge's Cholesky factor: K is symmetric and positive.
    void factorise()
    {
        constexpr double kRidge = 0.05;
        const std::size_t i = lower_.size();
        std::vector<double> row(i + 1);
        for (std::size_t j = 0; j <= i; ++j) {
            double sum = alike(read_[i], read_[j]) + (i == j ? kRidge : 0.0);
            const std::vector<double>& other = j < i ? lower_[j] : row;
            for (std::size_t k = 0; k < j; ++k) sum -= row[k] * other[k];
            row[j] = i == j ? std::sqrt(sum) : sum / other[j];
        }
        lower_.push_back(std::move(row));
    }

    /// (K + ridge) weights = errors, there and back through the factor.
    void solve()
    {
        weights_ = errors_;
        for (std::size_t i = 0; i < weights_.size(); ++i) {
            for (std::size_t k = 0; k < i; ++k) weights_[i] -= lower_[i][k] * weights_[k];
            weights_[i] /= lower_[i][i];
        }
        for (std::size_t i = weights_.size(); i-- > 0;) {
            for (std::size_t k = i + 1; k < weights_.size(); ++k) weights_[i] -= lower_[k][i] * weights_[k];
            weights_[i] /= lower_[i][i];
        }
    }

    std::vector<Genes> read_;
    std::vector<double> errors_;
    std::vector<double> weights_;
    std::vector<std::vector<double>> lower_; ///< [i][0..i]
};

} // namespace flextron
