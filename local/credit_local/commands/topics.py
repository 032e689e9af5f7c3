"""`credit topics`: how far the loader has read, and letting a halted topic go on."""

from __future__ import annotations

from uuid import UUID

import click

from credit_consumer.positions import resume as resume_topic

from .options import database, emit_json, json_option, table

# A topic that was deleted and made anew has another id and a line of its own (the later one is the one being read).
TOPICS = """
SELECT t.topic_id::text, t.name, t.unit, p.partition, p.next_offset, p.updated_at, t.halted
FROM ingest.topic t LEFT JOIN ingest.position p USING (topic_id)
ORDER BY t.halted IS NULL, t.name, t.first_seen, p.partition
"""
COLUMNS = ("topic_id", "topic", "unit", "partition", "next_offset", "updated_at", "halted")


@click.group()
def topics() -> None:
    """读到哪里：每个主题的位置，恢复停住的主题。"""


@topics.command("list")
@json_option
def list_topics(as_json: bool) -> None:
    """列出每个主题读到的位置；停住的排在前面，并说明原因。"""
    with database("reader") as con, con.cursor() as cur:
        cur.execute(TOPICS)
        found = [dict(zip(COLUMNS, row, strict=True)) for row in cur.fetchall()]
    if as_json:
        emit_json(found)
        return
    table(
        ["主题编号", "主题", "分区", "下一个位置", "最近读取", "停住的原因"],
        [[t["topic_id"], t["topic"], t["partition"], t["next_offset"], t["updated_at"], t["halted"]] for t in found],
    )


@topics.command()
@click.argument("topic_id", type=click.UUID, metavar="主题编号")
@click.option("--offset", type=click.IntRange(min=0), required=True, metavar="位置", help="从这个位置（含）继续读。")
@click.option("--partition", type=click.IntRange(min=0), default=0, metavar="分区", help="分区，默认 0。")
def resume(topic_id: UUID, offset: int, partition: int) -> None:
    """让一个停住的主题从选定的位置继续；入库程序重新启动后生效。"""
    with database("consumer") as con:
        if not resume_topic(con, topic_id, offset, partition):
            raise click.ClickException(f"主题 {topic_id} 没有停住；用 credit topics list 查看。")
    click.echo(f"主题 {topic_id} 将从位置 {offset} 继续。请重新启动入库程序。")
