"""English function words: those that hold a sentence together and that no synonym may take the place of."""

from __future__ import annotations

_ARTICLES_AND_DETERMINERS = """
a an the this that these those such same other another some any no none every each either neither both all half
several many much more most few fewer fewest little less least enough own certain various which what whatever whichever
"""
_PRONOUNS = """
i me my mine myself you your yours yourself yourselves he him his himself she her hers herself it its itself we us our
ours ourselves they them their theirs themselves one ones oneself someone somebody something anyone anybody anything
everyone everybody everything nobody nothing who whom whose whoever that others another
"""
_AUXILIARIES = """
be am is are was were been being have has had having do does did done doing can could may might must shall should will
would ought need let used cannot
"""
_PREPOSITIONS = """
about above across after against along amid among around as at before behind below beneath beside besides between beyond
by concerning despite down during except excluding following for from in including inside into like near of off on onto
opposite out outside over past per regarding round since than through throughout till to toward towards under underneath
unlike until up upon versus via with within without
"""
_CONJUNCTIONS = """
and or nor but so yet if unless whether because although though while whereas when whenever where wherever once lest
otherwise then else
"""
_ADVERBS = """
not n't no yes never ever always also too very quite rather just only even still again already almost else too hence
thus therefore however moreover furthermore instead e.g. i.e. etc how why there here now then so as well please
"""
_NUMERALS = """
zero one two three four five six seven eight nine ten eleven twelve twenty thirty hundred thousand million first second
third fourth fifth last next
"""
# Seldom found outside fixed phrases: according to, due to, regardless of, as follows.
_IDIOMS = "according due regardless follows"
# What a task calls its values, more than words.
_CONSTANTS = "true false null nil"
_CONTRACTIONS = "'s 're 've 'll 'd 'm s t d ll m o re ve y"

STOP_WORDS = frozenset(
    " ".join(
        [
            _ARTICLES_AND_DETERMINERS,
            _PRONOUNS,
            _AUXILIARIES,
            _PREPOSITIONS,
            _CONJUNCTIONS,
            _ADVERBS,
            _NUMERALS,
            _IDIOMS,
            _CONSTANTS,
            _CONTRACTIONS,
        ]
    ).split()
)
"""Words in lower case. What a task is about (find, number, value, return) is not among them."""
