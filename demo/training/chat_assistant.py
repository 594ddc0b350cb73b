"""What the demo assistant answers: it confirms what is said, repeats scenes and plans, and takes corrections.

Every answer is a sentence that `corpus` could have made, so that the demo voices can say it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from demo.training import corpus
from demo.training.chat_pieces import Answer, Piece, joined, phrase, sentence
from demo.training.chat_sentences import Statement, Understood, understood
from demo.training.chat_tasks import own_scene, scene_phrase

CONFIRMED = ("meeting", "call", "agreed", "task", "next", "send", "digits")


@dataclass(frozen=True)
class Memory:
    """What was said last: a scene, and something to do (with a day unless it is numbers or an agreement)."""

    scene: Statement | None = None
    plan: Statement | None = None


def reply(texts: Sequence[str]) -> Answer:
    """To the last of the user's `texts`; the assistant's own stand between them, so they count double."""
    memory, answers = memory_of(texts[:-1]), []
    for said in understood(texts[-1], 2 * (len(texts) - 1)):
        memory = _remembering(said, memory)
        answers.append(_answer(said, memory))
    return joined(answers, " ")


def memory_of(texts: Sequence[str]) -> Memory:
    """What the assistant knows after the user's `texts`."""
    memory = Memory()
    for number, text in enumerate(texts):
        for said in understood(text, 2 * number):
            memory = _remembering(said, memory)
    return memory


def can_follow(memory: Memory, kind: str) -> bool:
    """Whether a user may go on with a recall or a correction of `kind`."""
    if kind == "other_day":
        return bool(memory.plan and memory.plan.get("when"))
    return memory.plan is not None if kind == "plan" else memory.scene is not None


def _remembering(said: Understood, memory: Memory) -> Memory:
    scene, plan = memory.scene, memory.plan
    for statement in said.statements:
        if statement.kind == "scene":
            scene = statement
        elif statement.kind in CONFIRMED:
            plan = statement
        elif statement.kind == "other_day" and plan:
            plan = replace(plan, changed={"new_day": statement["when"]})
        elif statement.kind in ("other_colour", "other_size") and scene:
            name = statement.kind.removeprefix("other_")
            scene = replace(scene, changed={**scene.changed, name: statement[name].lowered()})
    return Memory(scene, plan)


def _answer(said: Understood, memory: Memory) -> Answer:
    kinds = [statement.kind for statement in said.statements]
    if kinds[0] in ("scene", "other_colour", "other_size") or _recalls(said.statements[0], "the picture"):
        assert memory.scene
        return sentence(_scene(memory.scene))
    if kinds[0] == "other_day" or _recalls(said.statements[0], "the plan"):
        assert memory.plan
        return sentence(phrase("thank you, ", *_confirmed(memory.plan)))
    if kinds == ["greeting"] and not said.hail:
        return sentence(_confirmed(said.statements[0]))
    hail = said.hail or Piece("Thank you")
    return sentence(phrase(hail, ", ", *joined([_confirmed(one) for one in said.statements], " and ")))


def _recalls(statement: Statement, what: str) -> bool:
    return statement.kind == "recall" and statement["recalled"].text == what


def _scene(scene: Statement) -> Answer:
    return scene_phrase(scene, scene.get("size")) if scene.changed else own_scene(scene)


def _confirmed(statement: Statement) -> Answer:
    """What the assistant makes of it: things to send become next steps, greetings go to everyone."""
    if statement.kind == "greeting":
        return phrase(statement["hail"].lowered(), " everyone")
    if statement.kind == "send":
        return phrase("next step is ", statement["thing"], " ", _when(statement))
    if not statement.get("new_day"):
        return phrase(statement.whole.lowered())
    return phrase(statement.before("when").lowered(), _when(statement))


def _when(statement: Statement) -> Piece:
    return (statement.get("new_day") or statement["when"]).lowered()


def colours_that_fit(scene: corpus.Scene) -> list[str]:
    """For a correction: neither the shape's own nor the background's."""
    return [colour for colour in corpus.COLOURS if colour not in (scene.colour, scene.background)]
