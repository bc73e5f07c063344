"""What installers and supervisors hold to a gate's camera, drawn as SVG."""

import io

import segno


def qr_svg(text: str) -> str:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(
        drawn, kind="svg", scale=6, border=4, xmldecl=False, omitsize=True, light="#ffffff"
    )
    return drawn.getvalue().decode()
