# The workshop's commands. `make help` lists them; scripts/set-up does the installing, once.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help run test test-web web pages check bench lock release documents set-up-run set-up-test set-up-web

PORT ?= 8000
WORKERS ?= auto
ARGS ?=
bin := .venv/bin

help: ## 列出这些命令
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# No shell stands between make and the server, so that Ctrl-C and a polite kill both reach it.
run: set-up-run pages ## 打开演示城市,只听 127.0.0.1,端口 PORT=8000;Ctrl-C 停止,数据留在 var/
	@$(bin)/xinyi demo --port $(PORT)

test: set-up-test ## 启动测试专用的 PostgreSQL 与 Redis,运行全部测试;ARGS="-k 名称" 可挑选,WORKERS=0 单进程
	$(bin)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist loadgroup $(ARGS)

test-web: set-up-web ## 用外人写的客户端和套件检查接口,在真的浏览器里走完页面上的故事;ARGS="-k 名称" 可挑选
	$(bin)/python -m pytest -c tests_web/pytest.ini tests_web $(ARGS)

check: set-up-test ## 检查格式、代码规范、类型、导入方向,以及 schema.graphql 是否最新
	$(bin)/ruff format --check .
	$(bin)/ruff check .
	$(bin)/mypy
	$(bin)/lint-imports
	@$(bin)/xinyi schema | diff -u schema.graphql - || \
	    { echo "schema.graphql 不是最新:请运行 .venv/bin/xinyi schema > schema.graphql 并一同提交。" >&2; exit 1; }
	@$(bin)/python -m scripts.release check

bench: set-up-test ## 并排测量性能,所有数字都是比值
	@$(bin)/python -m benchmarks $(ARGS)

lock: ## 依 pyproject.toml 重新生成四份带哈希的锁定文件(需要 uv)
	uv pip compile pyproject.toml --group build --universal --python-version 3.11 --generate-hashes --no-header \
	    -o requirements.lock
	uv pip compile pyproject.toml --group dev -c requirements.lock --universal --python-version 3.11 \
	    --generate-hashes --no-header -o requirements-dev.lock
	uv pip compile pyproject.toml --extra spark -c requirements-dev.lock --universal --python-version 3.11 \
	    --generate-hashes --no-header -o requirements-spark.lock
	uv pip compile --group pyproject.toml:web -c requirements-dev.lock --universal --python-version 3.11 \
	    --generate-hashes --no-header -o requirements-web.lock

web: set-up-run ## 构建 web/ 下的页面(市民、伙伴、运营、公开、GraphiQL)到 web/dist;需要 npm 源
	@scripts/build-pages

documents: set-up-web ## 由 examples/miniprogram/operations 重新生成受信文档清单 documents.json
	@$(bin)/python -m tests_web.node build-documents.mjs

release: set-up-test ## 把现在的 schema.graphql 存为 pyproject.toml 中版本的发布版,供 make check 比较
	@$(bin)/python -m scripts.release cut

set-up-run:
	@scripts/set-up run

pages: set-up-run
	@scripts/build-pages once

set-up-test:
	@scripts/set-up test

set-up-web:
	@scripts/set-up web
