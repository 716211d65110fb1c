"""A keyword list, learnt from labelled paragraphs: what a model has to beat."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_selection import chi2

from lanmu.features import counted, learn
from lanmu.words import cutter

WORDS_PER_LABEL = 30


def keyword_labels(texts: Sequence[str], labels: Sequence[str], unseen: Sequence[str]) -> list[str]:
    """Label unseen texts by the keywords of labelled ones.

    A label's keywords are the 30 words that are most tied to it by chi-square among those that its
    texts have more often than others do. A text gets the label whose keywords it has most of, the
    commoner label where two have as many, and the commonest one where it has none.

    >>> keyword_labels(["供热 管网", "供热 锅炉", "湿地", "湿地"], ["h", "h", "e", "e"], ["湿地"])
    ['e']
    """
    cut = cutter()
    vocabulary, _, rows = learn(texts, cut, max_ngram=0, min_df=2)
    if not len(vocabulary):
        return [Counter(labels).most_common(1)[0][0]] * len(unseen)
    has = sparse.csr_array(
        (np.ones(len(rows.values)), rows.features, rows.starts), (len(texts), len(vocabulary))
    )
    names = [name for name, _ in sorted(Counter(labels).items(), key=lambda item: -item[1])]
    keyword = np.zeros((len(vocabulary), len(names)))
    for k, name in enumerate(names):
        inside = np.array(labels) == name
        tied = np.nan_to_num(chi2(has, inside)[0])
        tied[has[inside].mean(axis=0) <= has[~inside].mean(axis=0)] = 0
        best = np.argsort(-tied, kind="stable")[:WORDS_PER_LABEL]
        keyword[best[tied[best] > 0], k] = 1
    found = []
    for _, counts in counted(unseen, vocabulary, cut):
        for start, end in zip(counts.starts[:-1], counts.starts[1:], strict=True):
            hits = keyword[counts.features[start:end]].sum(axis=0)
            found.append(names[int(hits.argmax())])
    return found
