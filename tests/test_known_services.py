"""What is read once is the same for everybody; what a client is told, it alone is told."""

from botocore.hooks import HierarchicalEmitter
from botocore.session import Session

PLACE = {"region_name": "eu-central-1", "aws_access_key_id": "a", "aws_secret_access_key": "secret"}


def test_sessions_share_a_services_model_and_no_handler() -> None:
    one, other = (Session().create_client("sqs", **PLACE) for _ in range(2))
    heard: list[str] = []
    one.meta.events.register("told.sqs", lambda **_: heard.append("one"))

    other.meta.events.emit("told.sqs.all")
    assert heard == []
    one.meta.events.emit("told.sqs.all")
    assert heard == ["one"]
    assert one.meta.service_model is other.meta.service_model


def test_a_copied_tree_of_handlers_answers_as_one_that_was_never_copied_and_grows_alone() -> None:
    told, told_later = ("a.b", "a.b.c", "a"), ("a.b", "a.b.c", "a.b.c.d")

    def tell(tree: HierarchicalEmitter, events: tuple[str, ...], when: str) -> None:
        for event in events:
            for place in (tree.register_last, tree.register, tree.register_first):
                place(event, lambda said=f"{place.__name__} {event} {when}", **_: said)

    def answers(tree: HierarchicalEmitter) -> list[str]:
        return [answer for _, answer in tree.emit("a.b.c.d")]

    tree, never_copied, before = HierarchicalEmitter(), HierarchicalEmitter(), HierarchicalEmitter()
    for one in (tree, never_copied, before):
        tell(one, told, "first")
    copied = tree.__copy__()
    for one in (copied, never_copied):
        tell(one, told_later, "later")

    assert answers(copied) == answers(never_copied)
    assert answers(tree) == answers(before)
    assert len(answers(copied)) == 18
