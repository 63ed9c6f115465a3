import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session


@pytest.fixture
def session():
    engine = create_engine(
        "postgresql+psycopg://app:app@127.0.0.1:5544/app", connect_args={"options": "-c timezone=UTC"}
    )
    with engine.connect() as c:
        t = c.begin()
        with Session(bind=c, join_transaction_mode="create_savepoint") as s:
            yield s
        t.rollback()
    engine.dispose()
