"""An edit of a scene: an instruction, what it changes, and what it leaves as it is."""

from dataclasses import dataclass

from ..phrases import Phrase
from ..scene import Object, Scene


@dataclass(frozen=True, slots=True)
class Goal:
    """Where an object is moved or added: in a ninth, in a relation to another object, or anywhere if both are None.

    ``other`` is the object that ``relation`` refers to, which stays where it is.
    """

    region: str | None = None
    relation: str | None = None
    other: Object | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of one of EDIT_KINDS.

    ``text`` is the instruction. ``kept`` are the objects of the source that it does not change, ``before`` those that
    it changes, as they are in the source (none where one is added), and ``after`` the same ones as they are in the
    target, in the same order (none where one is removed). ``asked`` is what the instruction requires of each object of
    ``after``; it leaves out the size of an added object where the instruction does.
    """

    kind: str
    text: str
    source: Scene
    kept: tuple[Object, ...]
    before: tuple[Object, ...]
    after: tuple[Object, ...]
    asked: tuple[Phrase, ...]
    goal: Goal = Goal()

    @property
    def target(self) -> Scene:
        """The scene after the edit, on the same background."""
        return Scene((*self.kept, *self.after), self.source.background)
