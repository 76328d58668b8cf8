#!/usr/bin/env python3
"""Theorem 1 and the linear section on real data: all 50,000 images of CIFAR-10 with random labels."""

import json
import os
import subprocess
import sys

from checks import check, checks_exit_code

SHATTER = os.environ["SHATTER"]
if not os.path.isdir(os.path.join(os.environ.get("SHATTER_DATA", ""), "cifar-10-batches-bin")):
    print("SKIP: SHATTER_DATA does not name a folder with CIFAR-10")
    sys.exit(77)


def run(*words):
    answer = subprocess.run([SHATTER, *words, "--json"], stdout=subprocess.PIPE, text=True, timeout=280)
    return json.loads(answer.stdout)


cifar = ["express", "--data", "cifar10", "--labels", "random"]
levels = run(*cifar)
check("2n + d weights", levels["weights"] == 2 * 50000 + 28 * 28 * 3 and levels["depth"] == 2, levels)
check("all 50,000 labels, to 1e-3 of the largest", levels["represented"] and levels["units"] == 50000, levels)
check("projections of levels have no rounding", levels["projection_rounding"] == 0, levels)
single = run(*cifar, "--whiten", "--precision", "fp32")
check("fp32 merges projections", single["indistinct"] > 0 and not single["represented"], single)

linear = run("linear", "--data", "cifar10", "--train-size", "50", "--test-size", "200")
rows = {row["name"]: row for row in linear["interpolants"]}
check("descent reaches the minimum-norm solution", linear["settled"] and linear["curve"][-1]["null_share"] < 1e-12)
check("the Hessian is the same and of rank n", linear["hessian"]["difference"] < 1e-11
      and linear["hessian"]["rank"] == 50 and linear["hessian"]["zeros"] == 2302, linear["hessian"])
check("labels forced on the test set fit and do not generalise",
      rows["random labels forced on the test set"]["train_error"] == 0
      and rows["random labels forced on the test set"]["test_error"] > 0.8
      and rows["random labels forced on the test set"]["norm_ratio"] > 1, rows)
sys.exit(checks_exit_code())
