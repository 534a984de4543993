#include "engine/evaluate/documents.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

namespace flextron {

void TextLoss::add(const DocumentLoss& document)
{
    documents.push_back(document);
    nll_sum += document.nll_sum;
    tokens += document.tokens;
    bytes += document.bytes;
}

double TextLoss::standardError() const
{
    if (documents.size() < 2 || tokens == 0) return 0.0;
    const double ratio = mean();
    double squares = 0.0;
    for (const DocumentLoss& document : documents) {
        const double off = document.nll_sum - ratio * static_cast<double>(document.tokens);
        squares += off * off;
    }
    const auto n = static_cast<double>(documents.size());
    return std::sqrt(squares * n / (n - 1.0)) / static_cast<double>(tokens);
}

double TextLoss::perplexity() const
{
    return std::exp(mean());
}

double TextLoss::bitsPerByte() const
{
    return bytes > 0 ? nll_sum / (std::numbers::ln2 * static_cast<double>(bytes))
                     : std::numeric_limits<double>::quiet_NaN();
}

Result<TextLoss> scoreDocuments(const LoadedModel& model, const Documents& documents, const PlanOfDocument& plan_of,
                                const DocumentSeen& seen, const ProgressFn& progress, const CancelToken& cancel)
{
    return guarded([&] {
        if (documents.empty())
            throw Failure(ErrorCode::InvalidArgument, "there is no document to read", "give a file of text");
        std::uint64_t total = 0;
        for (const auto& document : documents) total += document.size();
        std::uint64_t before = 0;
        TextLoss loss;
        for (std::size_t d = 0; d < documents.size(); ++d) {
            const auto within = [&](const Progress& part) {
                if (progress) progress({part.stage, before + part.done, total, part.unit});
            };
            ScoreOptions options;
            options.keep_records = static_cast<bool>(seen);
            const Score score = scoreText(model, documents[d], plan_of(d), options, within, cancel).orThrow();
            before += documents[d].size();
            loss.add({score.nll_sum, score.tokens, score.text_bytes});
            if (seen) seen(d, score);
        }
        return loss;
    });
}

Result<TextLoss> scoreDocuments(const LoadedModel& model, const Documents& documents, const WidthPlan& plan,
                                const ProgressFn& progress, const CancelToken& cancel)
{
    return scoreDocuments(
        model, documents, [&](std::size_t) { return plan; }, {}, progress, cancel);
}

PairedComparison comparePaired(const TextLoss& a, const TextLoss& b, int resamples, std::uint64_t seed)
{
    PairedComparison result;
    result.difference = a.mean() - b.mean();
    result.documents = static_cast<int>(a.documents.size());
    result.resamples = resamples;
    const std::size_t count = a.documents.size();
    if (count == 0 || resamples < 1) return result;
    std::mt19937_64 random(seed);
    std::vector<double> differences;
    int not_above = 0;
    for (int i = 0; i < resamples; ++i) {
        double sum = 0.0, tokens = 0.0;
        for (std::size_t n = 0; n < count; ++n) {
            const auto d = static_cast<std::size_t>(random() % count);
            sum += a.documents[d].nll_sum - b.documents[d].nll_sum;
            tokens += static_cast<double>(a.documents[d].tokens);
        }
        differences.push_back(sum / tokens);
        not_above += differences.back() <= 0.0;
    }
    std::sort(differences.begin(), differences.end());
    const auto at = [&](double share) {
        return differences[static_cast<std::size_t>(share * static_cast<double>(differences.size() - 1))];
    };
    result.low = at(0.025);
    result.high = at(0.975);
    result.p_value = (not_above + 1.0) / (resamples + 1.0);
    return result;
}

} // namespace flextron
