"""Names from other libraries and papers, with condgen's names for the same things.

A table maps condgen's own names to names from elsewhere. A sentence takes the place of a name if more is to be said.
Sentences mention settings in the form of messages.py.
"""

from collections.abc import Container, Mapping

EPOCHS = "condgen counts images, not epochs: 10 epochs of 60,000 images are `images=600000`."
STEPS = "condgen counts images, not steps: 1,000 steps of 128 images are `images=128000`."
DEVICE = (
    "condgen trains on CUDA, MPS or the CPU, whichever is at hand first; the environment variables "
    "ACCELERATE_USE_CPU=1 and CUDA_VISIBLE_DEVICES choose otherwise."
)
OPTIMISER = "The optimizer is AdamW; its settings are lr, momentum (its β₁), weight_decay, warmup and clip."
LOADING = "Data is prepared once and read from memory or a file map, so there are no workers to set."
SCHEDULE = "The rate rises over `warmup` images, stays for 30 % of the run and falls to zero by half a cosine."
TURNS = "Critic and generator take one step each on every batch."
BEST = "The averaged weights of the last healthy look are kept; a run ends after its `images` or `seconds`."
DIFFUSION = "A diffusion model is a flow: `model='flow', path='vp', predict='noise'`, or simply `model='flow'`."
LATENT_DIFFUSION = (
    "Diffusion in a latent space is `model='flow', codec='RUN'` in that of a codec, or `model='cvae', prior='flow', "
    "embedding=64`."
)


def _by_foreign_name(table: Mapping[str, str]) -> dict[str, str]:
    """The inverse table: condgen's name, or the sentence, by each name from elsewhere."""
    return {foreign: ours for ours, names in table.items() for foreign in names.split()}


SETTINGS = _by_foreign_name(
    {
        EPOCHS: "epochs epoch n_epochs num_epochs max_epochs nb_epochs",
        STEPS: "steps n_steps num_steps max_steps iterations iters n_iter max_iter num_iterations",
        "seconds": "budget time duration max_time minutes",
        "images": "n_images num_images kimg",
        "batch": "batch_size bs batchsize minibatch mini_batch_size",
        "lr": "learning_rate learningrate base_lr eta lr_g lr_d max_lr",
        SCHEDULE: "lr_scheduler scheduler lr_schedule lr_decay",
        "warmup": "warmup_steps warm_up warmup_epochs lr_warmup",
        "momentum": "beta1 betas adam_beta1 b1",
        "weight_decay": "wd l2 decay",
        "clip": "grad_clip gradient_clip clip_grad max_grad_norm clip_norm",
        "ema": "ema_decay ema_beta ema_rate use_ema ema_halflife",
        OPTIMISER: "optimizer optimiser optim adam",
        DEVICE: "device gpu gpus cuda accelerator",
        "precision": "amp fp16 bf16 mixed_precision dtype half",
        "threads": "num_threads n_threads cpu_threads intra_op_threads",
        "layout": "memory_format channels_last data_format",
        "checkpointing": "gradient_checkpointing activation_checkpointing grad_checkpointing use_checkpoint",
        "compiled": "compile torch_compile jit",
        LOADING: "num_workers workers n_workers n_jobs pin_memory",
        "seed": "random_state random_seed rng manual_seed",
        "checkpoint_seconds": "save_every checkpoint_every save_interval save_freq",
        "previews": "sample_every sample_interval log_every eval_every",
        "balance": "class_weight class_weights oversample balanced sampler_weights",
        "flip": "hflip horizontal_flip mirror random_flip",
        "shift": "translate random_crop jitter pad_crop",
        BEST: "early_stopping patience",
        "latent": "z_dim latent_dim latent_size latents nz n_z zdim noise_dim",
        "channels": "hidden hidden_dim hidden_size hidden_dims width filters base_channels ngf ndf dim",
        "depth": "layers n_layers num_layers n_blocks num_blocks num_res_blocks",
        "embedding": "embedding_dim embed_dim emb_dim embedding_size label_dim class_embed",
        "condition_dropout": "dropout cond_dropout p_uncond label_dropout cfg_dropout",
        "mechanism": "conditioning condition cond_type conditioning_type",
        "beta": "kl_weight kld_weight kl_coef beta_kl",
        "likelihood": "recon_loss reconstruction_loss decoder_dist recon",
        "perceptual": "lpips perceptual_weight perceptual_loss",
        "adversarial": "gan_weight disc_weight adv_weight",
        "backbone": "architecture arch network net unet",
        "r1": "gp gradient_penalty lambda_gp gp_weight r1_gamma gamma",
        "penalty_every": "d_reg_every lazy_reg d_reg_interval",
        TURNS: "n_critic critic_steps d_steps disc_iters n_dis",
        "loss": "gan_loss adversarial_loss loss_type gan_mode",
        "spectral": "spectral_norm sn use_sn",
        "augment": "diffaugment diff_augment ada augmentation augmentations",
        "onlooker": "projected_gan vision_aided cv_weight pretrained_critic",
        "augment_chance": "augment_p aug_p augment_prob",
        "deviation": "mbstd minibatch_std mbstd_group minibatch_stddev",
        "values": "n_codes n_classes num_classes classes",
        "steps": "timesteps num_timesteps num_inference_steps diffusion_steps nfe n_timesteps",
        "guidance": "guidance_scale cfg cfg_scale w guidance_weight",
        "sampler": "solver integrator ode_solver",
        "path": "noise_schedule beta_schedule interpolant",
        "predict": "parameterization prediction_type objective target pred_type",
        "times": "time_sampling timestep_sampling t_dist",
        "coupling": "ot minibatch_ot optimal_transport",
    }
)

MODELS = _by_foreign_name(
    {
        DIFFUSION: "diffusion ddpm ddim score score_sde edm vdm conditional_diffusion cddpm",
        LATENT_DIFFUSION: "latent_diffusion ldm stable_diffusion latent_flow",
        "flow": "flow_matching cfm fm rectified_flow reflow cnf si conditional_flow cflow",
        "A flow with a transformer is `model='flow', backbone='transformer'`.": "dit sit transformer",
        "A flow with a U-Net is `model='flow'`.": "unet u_net",
        "meanflow": "consistency consistency_model mean_flow one_step shortcut distilled",
        "A flow with exact likelihoods is `model='flow'`.": "normalizing_flow glow realnvp nf",
        "codec": "vqgan vqvae vq_vae vq_gan autoencoderkl autoencoder_kl taesd kl_vae first_stage spatial_autoencoder",
        "autoencoder": "ae auto_encoder autoenc",
        "A β-VAE is `model='vae', beta=4`.": "beta_vae betavae β_vae bvae",
        "cvae": "conditional_vae cond_vae c_vae conditional_autoencoder",
        "cgan": "conditional_gan cond_gan c_gan cdcgan",
        "A convolutional GAN of images is `model='gan'`.": "dcgan vanilla_gan lsgan",
        "A Wasserstein GAN is `model='gan', loss='wasserstein', r1=1.0`.": "wgan wgan_gp wgangp",
        "Spectral normalisation is `model='projection', spectral=True`.": "sngan sagan",
        "A relativistic GAN is `model='gan', r1=0.5, r2=0.5`.": "r3gan relativistic_gan rgan ragan",
        "Numbers are judged within a vicinity: `model='projection', vicinity=0.02`.": "ccgan continuous_gan",
        "acgan": "ac_gan auxiliary_classifier_gan",
        "tacgan": "tac_gan",
        "adcgan": "adc_gan",
        "reacgan": "reac_gan contragan",
        "projection": "projection_gan pgan biggan stylegan stylegan2 projgan",
        "infogan": "info_gan disentangled_gan",
    }
)

PRESETS = _by_foreign_name(
    {
        "digits": "mnist digit",
        "digits-cgan": "mnist_cgan cgan",
        "digits-acgan": "acgan",
        "digits-projection": "projection gan",
        "digits-infogan": "infogan",
        "digits-vae": "vae beta_vae",
        "digits-cvae": "cvae",
        "digits-flow": "flow diffusion ddpm",
        "faces": "celeba ffhq face portraits",
        "cars": "car stanford_cars",
        "demo": "default quick fast small tiny test",
    }
)

KINDS = {"setting": SETTINGS, "argument": SETTINGS, "model": MODELS, "preset": PRESETS}


def answer(what: str, name: object, valid: Container[str]) -> str:
    """A sentence with condgen's name for a thing that has this name elsewhere, or an empty text.

    what: a kind of name, possibly with its owner: "setting of cvae", "model", "preset".
    """
    ours = KINDS.get(what.split()[0], {}).get(_folded(str(name)), "")
    if not ours or " " in ours:
        return ours
    return f"condgen calls it {ours}." if ours in valid else f"condgen calls it {ours}, which only other models have."


def _folded(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")
