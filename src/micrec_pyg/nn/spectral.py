"""Filters on the spectrum of vectors, and the product of several spectra."""

from collections.abc import Collection, Mapping

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from micrec_pyg.nn.per_domain import module_key


class SpectralFusion(nn.Module):
    r"""Denoise the vectors of every modality, and fuse them (SMORE, eqs. 4 to 8).

    .. math::
        \hat x_m = F^{-1}(w_m \odot F x_m), \quad
        x = F^{-1}\Big(w \odot \prod_m F x_m\Big)

    F is the discrete Fourier transform of the numbers of one vector, scaled to keep
    its length; w are complex numbers, one for each frequency.
    """

    def __init__(
        self, modalities: Collection[str], *, dim: int, generator: torch.Generator
    ) -> None:
        """Draw w: real and imaginary parts from N(0, 1).

        Args:
            modalities: Their names.
            dim: Width of the vectors.
            generator: Draws the start values.
        """
        super().__init__()
        self.dim = dim

        def drawn() -> nn.Parameter:
            shape = dim // 2 + 1, 2
            return nn.Parameter(
                torch.randn(shape, generator=generator, device=generator.device)
            )

        self.own = nn.ParameterDict(
            {module_key(name): drawn() for name in sorted(modalities)}
        )
        self.fused = drawn() if modalities else None

    def forward(
        self, x: Mapping[str, Float[Tensor, "items dim"]]
    ) -> tuple[dict[str, Float[Tensor, "items dim"]], Float[Tensor, "items dim"]]:
        """Return the denoised vectors by modality, and the fused ones.

        Args:
            x: By modality, at least one.
        """
        names = sorted(x)
        spectra = [torch.fft.rfft(x[name], dim=1, norm="ortho") for name in names]
        own = {
            name: self._back(spectrum, self.own[module_key(name)])
            for name, spectrum in zip(names, spectra, strict=True)
        }
        product = spectra[0]
        for spectrum in spectra[1:]:
            product = product * spectrum
        assert self.fused is not None
        return own, self._back(product, self.fused)

    def _back(
        self, spectrum: Complex[Tensor, "items frequencies"], w: Tensor
    ) -> Float[Tensor, "items dim"]:
        """Return the vectors of a filtered spectrum."""
        filtered = spectrum * torch.view_as_complex(w)
        back: Tensor = torch.fft.irfft(filtered, n=self.dim, dim=1, norm="ortho")
        return back
