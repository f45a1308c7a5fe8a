"""JupyterLab for this project: `make lab` starts it with this file."""

from pathlib import Path

LAB = Path(__file__).resolve().parent
ROOT = LAB.parents[1]
SWEPT = ("notebooks", "nbs_ci")

c = get_config()  # noqa: F821 (Jupyter puts it here)

c.ServerApp.root_dir = str(ROOT)
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.allow_root = True  # in a container one often is; the token still guards the door
c.LabApp.default_url = "/lab/tree/notebooks"
# settings of the project: no news, no update checks, no extension index asked
c.LabApp.app_settings_dir = str(LAB / "settings")
c.LabApp.extension_manager = "readonly"
# one kernel: the project's own, with its lock in the name that cards and tooltips show
c.ServerApp.kernel_spec_manager_class = "sealed_kernel.lab.LockedKernelSpecs"
c.KernelSpecManager.ensure_native_kernel = False
c.KernelSpecManager.allowed_kernelspecs = {"fin-kedro"}
c.MultiKernelManager.default_kernel_name = "fin-kedro"


def clean_on_save(*, model, path, **_):
    """Keep what is saved under notebooks/ and nbs_ci/ clean; the open page keeps its outputs."""
    content = model.get("content")
    is_notebook = model["type"] == "notebook" and content and content.get("nbformat") == 4
    if is_notebook and Path(path.lstrip("/")).parts[0] in SWEPT:
        from fin_kedro.authoring.cleaning import clean_notebook
        from fin_kedro.authoring.project import find_project

        clean_notebook(content, find_project(ROOT).cell_metadata)


c.ContentsManager.pre_save_hook = clean_on_save
