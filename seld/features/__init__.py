from seld.features.config import FeatureConfig
from seld.features.logmel_intensity import LogMelIntensity, turn_features
from seld.features.spectrogram import LEVEL_CENTRE_DB, LEVEL_SPREAD_DB
