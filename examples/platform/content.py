"""Templates and articles, written by people or by AI."""

from __future__ import annotations

from typing import Any

from examples.platform.tenants import Actor, Fields


def create_template(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Keep a template that somebody wrote."""
    name, text = fields.text("name"), fields.text("text")
    template = actor.tenant.store.add("template", {"name": name, "text": text}) or ""
    actor.tenant.usage.record(
        "TEMPLATE_CREATED",
        user=actor.user,
        resource=("template", template),
        metadata={"name": name},
        occurred_at=actor.at,
    )
    return {"template": template}


def generate_template(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Let the AI write a template. That is AI_TEMPLATE_CREATED alone: an action counts as one thing."""
    name, purpose = fields.text("name"), fields.text("purpose")
    text = f"Hello {{first_name}}, about {purpose}: …"  # a real model would be asked here
    template = actor.tenant.store.add("template", {"name": name, "text": text}) or ""
    actor.tenant.usage.record(
        "AI_TEMPLATE_CREATED",
        user=actor.user,
        resource=("template", template),
        metadata={"name": name, "purpose": purpose},
        occurred_at=actor.at,
    )
    return {"template": template, "text": text}


def generate_articles(actor: Actor, fields: Fields) -> dict[str, Any]:
    """Let the AI write articles about a topic, one event each: each is a resource of its own."""
    topic, articles = fields.text("topic"), []
    for number in range(1, fields.number("count", 1) + 1):
        article = actor.tenant.store.add("article", {"topic": topic, "number": number}) or ""
        actor.tenant.usage.record(
            "CONTENT_AI_GENERATED",
            user=actor.user,
            resource=("article", article),
            metadata={"topic": topic},
            occurred_at=actor.at,
        )
        articles.append(article)
    return {"articles": articles}
