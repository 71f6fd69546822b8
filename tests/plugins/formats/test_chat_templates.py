"""Chat templates of a Hugging Face directory: read for the ids that transformers gives, or refused with a reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from janiform import Conversation, Processor, StorageError, Turn, read_recipe
from janiform.compose import compose
from janiform.storage.convert import convert
from janiform.storage.formats import format_of
from janiform_plugins.formats.hf.render import environment
from janiform_plugins.formats.hf.template import UnreadableTemplateError, read_template
from tokenizers import Tokenizer

BEGIN, END = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
TOKENS = {"bos_token": BEGIN, "eos_token": END}

RELEASED = """\
{%- set seps = ['\\n\\n', '<｜end▁of▁sentence｜>'] -%}
{%- for message in messages -%}
{%- if message['role']|lower == 'user' -%}{{ '<|User|>: ' }}
{%- elif message['role']|lower == 'assistant' -%}{{ '<|Assistant|>: ' }}
{%- else -%}{{ message['role'].capitalize() + ': ' }}{%- endif -%}
{%- for content in message['content'] -%}
{%- if content['type'] == 'image' -%}<image_placeholder>{%- else -%}{{ content['text'] }}{%- endif -%}
{%- endfor -%}
{%- if not loop.last or add_generation_prompt -%}{{ seps[0] if message['role'] == 'user' else seps[1] }}{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|Assistant|>:{%- endif -%}
"""
"""The form of the template in the released directories, whose contents are lists of parts."""

TEMPLATES = {
    "released": (RELEASED, ("<|User|>", "<|Assistant|>")),
    "capitalized": (
        "{% for m in messages %}<|{{ m['role'] | capitalize }}|>: {{ m['content'] }}\n\n{% endfor %}<|Assistant|>:",
        ("<|User|>", "<|Assistant|>"),
    ),
    "chatml": (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n",
        ("user", "assistant"),
    ),
    "a system text of its own": (
        "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}"
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
        ("user", "assistant"),
    ),
    "words": (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ 'User: ' + m.content + '\n\n' }}"
        "{% elif m.role == 'assistant' %}{{ 'Assistant: ' + m.content + eos_token }}"
        "{% else %}{{ m.content + '\n\n' }}{% endif %}{% endfor %}Assistant:",
        ("User", "Assistant"),
    ),
    "brackets": (
        "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
        "{% elif m.role == 'assistant' %}{% generation %}{{ ' ' + m.content + eos_token }}{% endgeneration %}"
        "{% else %}{{ raise_exception('no system texts') }}{% endif %}{% endfor %}",
        ("[INST]", "[/INST]"),
    ),
}


@pytest.fixture(scope="module")
def original(official: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "x"
    convert(official, folder, "hf")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """A copy without the weights' values, in which the tokens of ChatML are special."""
    copy = Path(shutil.copytree(original, tmp_path / "copy"))
    tokenizer = json.loads((copy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for name in ("<|im_start|>", "<|im_end|>"):  # in place of the last words of the vocabulary
        merge = tokenizer["model"]["merges"].pop()
        id = vocabulary.pop("".join(merge.split(" ") if isinstance(merge, str) else merge))
        vocabulary[name] = id
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": id, "content": name})
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    (copy / "tokenizer.json").write_text(json.dumps(tokenizer))
    return copy


def ids_of(folder: Path, template: str, messages: list[tuple[str, str]], system: bool) -> list[int]:
    """The ids that transformers gives: the template's text, after the processor's system text, with a begin token."""
    for content in (lambda text: text, lambda text: [{"type": "text", "text": text}]):
        turns = [{"role": role, "content": content(text)} for role, text in messages]
        text = environment().from_string(template).render(messages=turns, add_generation_prompt=True, **TOKENS)
        if messages[-1][1] in text:
            break
    layout = format_of(folder).format.recipe(folder).layout.config
    text = (f"{layout.system}\n\n" if system else "") + text.removeprefix(BEGIN)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    begin = tokenizer.token_to_id(BEGIN)
    return [begin, *tokenizer.encode(text, add_special_tokens=False).ids]


@pytest.mark.parametrize("name", TEMPLATES)
def test_conversations_have_the_ids_of_what_the_template_writes(folder: Path, name: str) -> None:
    template, roles = TEMPLATES[name]
    (folder / "chat_template.jinja").write_text(template)
    recipe = format_of(folder).format.recipe(folder)
    assert recipe.layout.config.roles == roles
    processor = Processor(compose(recipe), folder)
    turns = [("user", "How many?"), ("assistant", "Two cats."), ("user", "Which?")]
    ids = processor.sequence(Conversation([Turn(*turn) for turn in turns]), answer=False).ids
    assert ids == ids_of(folder, template, turns, system=True)
    if name not in ("brackets", "released"):  # these take none; the reference's system text stays as it is
        own = Conversation([Turn(*turn) for turn in turns], system="Be brief.")
        assert processor.sequence(own, answer=False).ids == ids_of(
            folder, template, [("system", "Be brief."), *turns], system=False
        )
    prompt = processor.drawing_prompt("a red circle").ids
    assert prompt[:-1] == ids_of(folder, template, [("user", "a red circle")], system=False)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_form_survives_a_conversion(folder: Path, name: str, tmp_path: Path) -> None:
    (folder / "chat_template.jinja").write_text(TEMPLATES[name][0])
    before = format_of(folder).format.recipe(folder).layout.config
    convert(folder, tmp_path / "hf", "hf")
    assert format_of(tmp_path / "hf").format.recipe(tmp_path / "hf").layout.config == before
    convert(folder, tmp_path / "own", "janiform")
    assert read_recipe(tmp_path / "own" / "recipe.toml").layout.config == before


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 'User: ' }}", "does not write every turn of a conversation once"),
        ("{% for", "is not a valid jinja2 template: TemplateSyntaxError"),
        ("{{ 'a' * 10**11 }}", "MemoryError"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}", "too much time or memory"),
        ("{{ ''.__class__.__mro__ }}", "SecurityError"),
        ("{% for m in messages %}{{ m.role }}: {{ m.content | upper }}\n{% endfor %}", "does not write every turn"),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "no name before a turn|of another form"),
        ("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}{% endfor %}<|im_start|>assistant\n",
         "writes nothing between an answer and the next question"),
        ("{% for m in messages %}<|x|>{{ m.role }}\n{{ m.content }}<|y|>{% endfor %}<|x|>assistant\n<think>",
         "it ends a prompt with"),
        ("{% for m in messages %}{% if loop.index0 > 2 %}### {% endif %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
         "assistant: ", "of 5 turns, "),
        ("{% for m in messages %}{% if m.role == 'user' %}[Round {{ loop.index0 // 2 }}] Q: {{ m.content }}\n"
         "{% else %}A: {{ m.content }}\n{% endif %}{% endfor %}A: ", "does not write all conversations in one form"),
        ("{% for m in messages %}{% if m.role == 'user' and loop.last %}<|q|>{% endif %}<|{{ m.role }}|>"
         "{{ m.content }}</s>{% endfor %}<|assistant|>", "does not write all conversations in one form: of 1 turn, "),
        ("{% if messages|length == 4 %}!{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
         "assistant: ", "of 4 turns, "),
        ("x" * (1 << 19), "has 524288 characters, and the limit is 262144"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(template: str, reason: str) -> None:
    with pytest.raises(UnreadableTemplateError, match=reason):
        read_template(template, TOKENS, ())


def refused(folder: Path) -> str:
    with pytest.raises(StorageError) as caught:
        format_of(folder).format.recipe(folder)
    return str(caught.value)


def test_the_file_of_a_template_that_cannot_be_read_is_named(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text("hello")
    assert f"{file}: the roles of this chat template cannot be read: it does not write" in refused(folder)
    file.write_bytes(b"\xff\xfe\x00")
    assert f"{file}: is not a text in UTF-8" in refused(folder)
    file.unlink()
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**json.loads((folder / "tokenizer_config.json").read_text()), "chat_template": "hello"})
    )
    assert "tokenizer_config.json: chat_template: the roles of this chat template cannot be read" in refused(folder)


def test_of_several_templates_the_default_is_read(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    file = folder / "tokenizer_config.json"
    content: dict[str, Any] = json.loads(file.read_text())
    some = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": TEMPLATES["chatml"][0]}]
    file.write_text(json.dumps({**content, "chat_template": some}))
    assert format_of(folder).format.recipe(folder).layout.config.roles == ("user", "assistant")
    file.write_text(json.dumps({**content, "chat_template": some[:1]}))
    assert "chat_template: must be a text, or a list of templates of which one is called 'default'" in refused(folder)
