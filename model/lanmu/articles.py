"""Which fragments of a page are one article.

What stands together on the page and what was joined makes blocks: a block begins at a heading, or
where a fragment can't go on from the one before it. Then the two blocks that are likeliest to be of
one article are put together, again and again, as long as evidence speaks for it. The weights are
learnt from made pages; see `lanmu_training.joins`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lanmu.features import Floats
from lanmu.joins import (
    LITTLE,
    Scraps,
    Values,
    Weights,
    agreement,
    cosines,
    log_odds,
    steps,
    sums,
    way,
)


def find_articles(
    scraps: Scraps, links: Sequence[tuple[int, int]], weights: Weights
) -> list[list[int]]:
    """Return the articles of a page as numbers of fragments, in reading order.

    `links` are the joins. The articles are in the order of their first fragments.
    """
    blocks = Blocks.of(scraps, links)
    while len(blocks.chains) > 1:
        score = log_odds(weights.articles, blocks.evidence())
        np.fill_diagonal(score, -np.inf)
        a, b = divmod(int(score.argmax()), len(score))
        if score[a, b] <= 0:
            break
        blocks = blocks.merged(a, b)
    return sorted([i for chain in chains for i in chain] for chains in blocks.chains)


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Parts of a page that are each of one article.

    `chains` are the fragments of each block: chains in the order of their first fragments, each in
    reading order. `shared` are the sums of the cosines between two blocks' fragments, `topics` the
    sums of their fragments' probabilities. The others tell how likely it is that a block (row) goes
    on where another (column) begins: with a heading, with a paragraph, or with the next number.
    """

    chains: list[list[list[int]]]
    shared: Floats
    topics: Floats
    headings_next: Floats
    paragraphs_next: Floats
    numbers_next: Floats

    @classmethod
    def of(cls, scraps: Scraps, links: Sequence[tuple[int, int]]) -> "Blocks":
        """Put together what stands together or was joined."""
        chains = _chains(scraps, links)
        block = np.empty(len(scraps.pieces), np.int64)
        for k, chain in enumerate(chains):
            block[chain] = k
        together = sums(chains, len(scraps.pieces))
        headings, paragraphs, numbers = np.zeros((3, len(chains), len(chains)))
        joined = {i for link in links for i in (link[0] + 1, link[1])}
        numbered: dict[tuple[str, int], int] = {}
        for i, piece in enumerate(scraps.pieces):
            if i and i not in joined and block[i - 1] != block[i]:
                whole = (1 - scraps.ends[i - 1]) * (1 - scraps.beginnings[i])
                following = headings if scraps.headings[i] else paragraphs
                following[block[i - 1], block[i]] = whole
            if piece.numbering:
                kind, number = piece.numbering
                if (before := numbered.get((kind, number - 1))) is not None:
                    numbers[block[before], block[i]] = float(block[before] != block[i])
                numbered[kind, number] = i
        shared = together @ cosines(scraps.words, scraps.words) @ together.T
        return cls(
            [[chain] for chain in chains],
            shared,
            together @ scraps.topics,
            headings,
            paragraphs,
            numbers,
        )

    def evidence(self) -> Values:
        """Return what speaks for two blocks being of one article: shape (n_blocks, n_blocks)."""
        sizes = [sum(map(len, chains)) for chains in self.chains]
        return {
            "shared_words": np.log(self.shared / np.outer(sizes, sizes) + LITTLE),
            "topic": agreement(self.topics, self.topics),
            "heading_next": np.maximum(self.headings_next, self.headings_next.T),
            "paragraph_next": np.maximum(self.paragraphs_next, self.paragraphs_next.T),
            "numbering": np.maximum(self.numbers_next, self.numbers_next.T),
        }

    def merged(self, a: int, b: int) -> "Blocks":
        """Return the blocks with two of them put together."""
        a, b = min(a, b), max(a, b)
        chains = [*self.chains]
        chains[a] = sorted(chains[a] + chains.pop(b))
        together = np.delete(np.eye(len(self.chains)), b, axis=0)
        together[a, b] = 1.0
        return Blocks(
            chains,
            together @ self.shared @ together.T,
            together @ self.topics,
            _either(together, self.headings_next),
            _either(together, self.paragraphs_next),
            _either(together, self.numbers_next),
        )


def _either(together: Floats, related: Floats) -> Floats:
    return np.minimum(together @ related @ together.T, 1.0)


def _chains(scraps: Scraps, links: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return what stands together or was joined, in reading order, first fragments ascending."""
    following = steps(scraps, links)
    begun = set(following.values())
    fragments = range(len(scraps.pieces))
    chains, placed = [], set[int]()
    for start in [*(i for i in fragments if i not in begun), *fragments]:  # the rest go in circles
        chain = [i for i in way(start, following) if i not in placed]
        placed.update(chain)
        chains.append(chain)
    return sorted(filter(None, chains))
