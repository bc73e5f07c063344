"""The same fleet, its faults chosen by Hypothesis: a second search, and a failure that shrinks to
the few faults that it takes.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulation import faults, invariants
from tests.simulation.scenario import simulate

EXAMPLES = 10


@pytest.mark.timeout(900)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    seed=st.integers(0, 2**32),
    events=st.dictionaries(st.sampled_from(sorted(faults.KINDS)), st.integers(1, 4), max_size=6),
)
def test_p2_p3_no_choice_of_faults_breaks_a_promise(seed, events):
    result = simulate(seed, faults.KINDS, invariants.check, events)
    assert result.broken == []
