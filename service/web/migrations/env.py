"""Alembic's environment: the engine is handed over by service.web.database.engine.migrate."""

from alembic import context

from service.web.database.tables import Base

engine = context.config.attributes["engine"]
with engine.connect() as connection:
    connection.info["writes"] = True
    context.configure(
        connection=connection, target_metadata=Base.metadata, render_as_batch=True, transactional_ddl=True
    )
    if connection.dialect.name == "postgresql":  # two processes that start together migrate in turn
        connection.exec_driver_sql("SELECT pg_advisory_lock(7262)")
        connection.commit()
    try:
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
    finally:
        connection.info.pop("writes", None)
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_unlock(7262)")
            connection.commit()
