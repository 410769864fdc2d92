"""Fixed measurements: three precisions, clean, one attack and two noise levels, on which every chart can be made."""

from qrtui.results.measured import Measured

_PASS = {
    "fp32": {"clean": 0.6, "char": 0.4, "gaussian 0.001 published": 0.5, "gaussian 0.01 published": 0.1},
    "int8": {"clean": 0.55, "char": 0.4, "gaussian 0.001 published": 0.55, "gaussian 0.01 published": 0.4},
    "nf4": {"clean": 0.5, "char": 0.2, "gaussian 0.001 published": 0.45, "gaussian 0.01 published": 0.3},
}
_SHARES = {"fp32": 1.0, "int8": 0.21, "nf4": 0.21}


def _drop(precision: str, perturbation: str) -> float:
    return round(_PASS[precision]["clean"] - _PASS[precision][perturbation], 9)


def _one(run: str, precision: str, perturbation: str) -> Measured:
    is_clean, is_baseline = perturbation == "clean", precision == "fp32"
    original, own = _drop("fp32", perturbation), _drop(precision, perturbation)
    told = not is_clean and not is_baseline
    return Measured(
        run=run,
        model="smollm2-135m",
        precision=precision,
        is_baseline=is_baseline,
        dataset="demo",
        perturbation=perturbation,
        n=20,
        planned=20,
        pass_at_1=_PASS[precision][perturbation],
        drop=None if is_clean else own,
        delta=None if is_clean else own / _PASS[precision]["clean"],
        rrs=original / own if told and original > 0 and own > 0 else None,
        rrs_low=0.5 if told and perturbation == "char" else None,
        rrs_high=None,
        more_robust=("quantized" if own < original else "original") if told else None,
        weights_perturbed=_SHARES[precision] if "gaussian" in perturbation else None,
    )


def measured(run: str = "1") -> list[Measured]:
    return [_one(run, precision, perturbation) for precision, row in _PASS.items() for perturbation in row]
