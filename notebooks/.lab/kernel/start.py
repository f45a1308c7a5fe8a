"""Start the sealed kernel; Kedro's catalog, context, session and pipelines come when named."""

import sys


def main() -> None:
    # the script's own folder must not shadow a module of the notebook's
    sys.path[0] = ""
    from sealed_kernel.kernel import main as run_kernel

    run_kernel(sys.argv[1:])


if __name__ == "__main__":
    main()
