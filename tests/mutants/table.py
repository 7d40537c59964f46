"""The rules of the protocol, each with the change that takes it out and the suites of which one must turn red."""

from tests.mutants.defence import DEFENCE
from tests.mutants.guards import GUARDS
from tests.mutants.holes import HOLES
from tests.mutants.profiles import PROFILES
from tests.mutants.revocation import REVOCATION
from tests.mutants.rotation import ROTATION

MUTANTS = (*ROTATION, *REVOCATION, *GUARDS, *HOLES, *PROFILES, *DEFENCE)
