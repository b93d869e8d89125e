"""What FastAPI does at least: an endpoint that answers nothing."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def empty() -> dict[str, str]:
    return {}
